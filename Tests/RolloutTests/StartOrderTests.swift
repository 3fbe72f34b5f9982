import Rollout
import Seeded
import Testing

@Suite struct StartOrderTests {
  @Test func anAppBeginsWhenWhatItComesAfterIsComplete() throws {
    var order = try StartOrder([("web", ["db", "migrate"]), ("migrate", ["db"]), ("db", []), ("mail", [])])
    #expect(order.order == ["db", "migrate", "web", "mail"])
    #expect(order.handle(.wanted(["web", "migrate", "db", "mail"])) == [.begin("db"), .begin("mail")])
    #expect(order.handle(.complete("db")) == [.begin("migrate")])
    #expect(order.handle(.complete("mail")) == [])
    #expect(order.handle(.complete("migrate")) == [.begin("web")])
    #expect(order.handle(.complete("web")) == [])
  }

  @Test func whatComesAfterAFailureIsHeldAndSaidOnce() throws {
    var order = try StartOrder([("db", []), ("migrate", ["db"]), ("web", ["migrate"])])
    _ = order.handle(.wanted(["web", "migrate", "db"]))
    _ = order.handle(.complete("db"))
    #expect(order.handle(.failed("migrate")) == [.held("web", because: "migrate")])
    #expect(order.handle(.failed("migrate")) == [])
    #expect(order.handle(.complete("migrate")) == [.begin("web")])
    #expect(order.handle(.failed("db")) == [])
    #expect(order.handle(.wanted(["migrate", "web"])) == [.held("migrate", because: "db"), .held("web", because: "db")])
  }

  @Test func whatNobodyWantsHoldsNobody() throws {
    var order = try StartOrder([("db", []), ("web", ["db"])])
    #expect(order.handle(.wanted(["web"])) == [.begin("web")])
    _ = order.handle(.wanted(["db", "web"]))
    #expect(order.handle(.withdrawn("db")) == [.begin("web")])
  }

  @Test func stoppingGoesTheOtherWayRound() throws {
    let order = try StartOrder([("db", []), ("migrate", ["db"]), ("web", ["migrate"]), ("api", ["db"])])
    #expect(order.mayStop(stillRunning: ["db", "web", "api", "migrate"]) == ["api", "web"])
    #expect(order.mayStop(stillRunning: ["db", "migrate"]) == ["migrate"])
    #expect(order.mayStop(stillRunning: ["db"]) == ["db"])
  }

  @Test func aCircleIsRefusedByName() {
    #expect(throws: StartOrder.Problem.cycle(["b", "c", "b"])) { try StartOrder([("a", ["b"]), ("b", ["c"]), ("c", ["b"])]) }
    #expect(throws: StartOrder.Problem.cycle(["a", "a"])) { try StartOrder([("a", ["a"])]) }
    #expect(throws: StartOrder.Problem.unknown("a", after: "z")) { try StartOrder([("a", ["z"])]) }
  }

  @Test func aRestoredOrderGoesOn() throws {
    var order = try StartOrder([("db", []), ("web", ["db"])], states: ["db": .begun, "web": .waiting])
    #expect(order.handle(.complete("db")) == [.begin("web")])
  }

  /// Any apps in any order: none begins before what it comes after is complete, and all begin in the end.
  @Test func noneBeginsTooSoonAndAllBegin() throws {
    for seed in UInt64(0)..<500 {
      var random = SeededRandom(seed: seed)
      let names = (0..<random.int(1...20)).map { "app\($0)" }
      var apps = names.enumerated().map { index, name in
        (name: name, after: names[..<index].filter { _ in random.chance(20) })
      }
      apps.shuffle(using: &random)
      var order = try StartOrder(apps)
      let after = Dictionary(uniqueKeysWithValues: apps)
      var begun: [String] = []
      var complete: Set<String> = []
      var actions = order.handle(.wanted(names))
      for _ in 0...names.count {
        for action in actions {
          guard case .begin(let name) = action else { continue }
          begun.append(name)
          #expect(Set(after[name] ?? []).isSubset(of: complete), "seed \(seed)")
        }
        guard let next = begun.filter({ !complete.contains($0) }).randomElement(using: &random) else { break }
        complete.insert(next)
        actions = order.handle(.complete(next))
      }
      #expect(begun.count == names.count && complete.count == names.count, "seed \(seed)")
      var running = Set(names)
      while !running.isEmpty {
        let next = order.mayStop(stillRunning: running)
        #expect(!next.isEmpty, "seed \(seed)")
        if next.isEmpty { return }
        running.subtract(next)
      }
    }
  }
}
