import CAllocations
import LastCall
import Logging

/// What tracking a piece of work costs: time and allocations, one thread and all cores at once.
@main struct Track {
  static let operations = 1_000_000
  static let rounds = 15

  static func main() async {
    let termination = Termination(logger: Logger(label: "benchmark"))
    await row("track(\"name\") { }") { count in
      for _ in 0..<count { await termination.track("import-csv") {} }
    }
    await row("track { } in a named task") { count in
      await Task(name: "nightly") { for _ in 0..<count { await termination.track {} } }.value
    }
    await row("beginWork, end") { count in
      for _ in 0..<count { termination.beginWork("GET /", kind: .request).end() }
    }
    let held = (0..<10_000).map { termination.beginWork("held \($0)") }
    await row("beginWork, end beside 10,000 others") { count in
      for _ in 0..<count { termination.beginWork("GET /", kind: .request).end() }
    }
    for work in held { work.end() }
    await row("beginWork, end on 2 threads at once (per operation of one)") { count in
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<2 { group.addTask { for _ in 0..<count { termination.beginWork("GET /", kind: .request).end() } } }
      }
    }
  }

  private static func row(_ name: String, _ body: @Sendable (Int) async -> Void) async {
    await body(operations / 10)
    var times: [Double] = []
    let before = allocations()
    for _ in 0..<rounds {
      let began = ContinuousClock.now
      await body(operations)
      times.append((ContinuousClock.now - began) / .nanoseconds(1) / Double(operations))
    }
    let perOperation = Double(allocations() - before) / Double(rounds * operations)
    times.sort()
    let median = (times[rounds / 2] * 10).rounded() / 10
    let least = (times[0] * 10).rounded() / 10
    print("\(name): \(median) ns (least \(least)), \((perOperation * 1_000).rounded() / 1_000) allocations")
  }
}
