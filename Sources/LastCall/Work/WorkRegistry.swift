#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// All work that is under way, in a few lists, so that threads seldom wait for each other.
final class WorkRegistry: Sendable {
  /// How many of a kind have ended.
  struct Counts: Sendable, Equatable {
    var completed = 0
    var cut = 0
  }

  /// One piece of work, as it is at one moment.
  struct Snapshot: Sendable, Equatable {
    var name: String
    var kind: TrackedWork.Kind
    var began: Duration
    var note: String?
    var fileID: String
    var line: UInt
  }

  private let lists = (0..<8).map { _ in WorkList() }

  /// The list for what the current thread begins.
  var list: WorkList {
    // A thread's block lies in its stack, and stacks are mapped one after the other: their pages tell threads apart.
    #if canImport(Darwin)
      let thread = UInt(bitPattern: pthread_self())
    #else
      let thread = UInt(pthread_self())
    #endif
    return lists[Int((thread >> 12) & 7)]
  }

  /// Tells when it may have changed whether there is work: ask ``isEmpty`` then. It is called once at once.
  func watch(_ watcher: @escaping @Sendable () -> Void) {
    for list in lists { list.watch(watcher) }
    watcher()
  }

  /// At one moment: with all lists locked, since work that begins other work and ends would else be missed in both.
  var isEmpty: Bool { areEmpty(lists[...]) }

  private func areEmpty(_ rest: ArraySlice<WorkList>) -> Bool {
    guard let first = rest.first else { return true }
    return first.whileLocked { count in count == 0 && areEmpty(rest.dropFirst()) }
  }

  /// How much is under way.
  var count: Int { lists.reduce(0) { $0 + $1.count } }

  /// What is under way, the oldest first, at most `limit`.
  func snapshot(limit: Int, of clock: TerminationClock) -> [Snapshot] {
    let sinceStamps = clock.sinceStamps
    return Array(lists.flatMap { $0.snapshot(limit: limit, sinceStamps: sinceStamps) }.sorted { $0.began < $1.began }.prefix(limit))
  }

  /// How many there are of each kind, in alphabetical order.
  func counts() -> [(kind: TrackedWork.Kind, count: Int)] { tally().current }

  /// How many of each kind have ended since the program began.
  func ended() -> [TrackedWork.Kind: Counts] { tally().ended }

  /// What has ended between two moments; of kinds of which nothing has, there is no entry.
  static func ended(
    _ now: [TrackedWork.Kind: Counts], since before: [TrackedWork.Kind: Counts]
  ) -> [TrackedWork.Kind: Counts] {
    var ended = now
    for (kind, counts) in before {
      ended[kind]?.completed -= counts.completed
      ended[kind]?.cut -= counts.cut
    }
    return ended.filter { $0.value != Counts() }
  }

  /// Both: whatever there was is in one of them, and not in the other, also when it ends just now.
  func tally() -> (current: [(kind: TrackedWork.Kind, count: Int)], ended: [TrackedWork.Kind: Counts]) {
    var current: [TrackedWork.Kind: Int] = [:]
    var ended: [TrackedWork.Kind: Counts] = [:]
    for list in lists {
      let tally = list.tally()
      for (kind, count) in tally.current { current[kind, default: 0] += count }
      for (kind, counts) in tally.ended {
        ended[kind, default: Counts()].completed += counts.completed
        ended[kind, default: Counts()].cut += counts.cut
      }
    }
    return (current.map { (kind: $0.key, count: $0.value) }.sorted { $0.kind.description < $1.kind.description }, ended)
  }
}
