import CLinux
import Linux
import StopPlan

/// What a keeper of a replica waits for in one turn of its loop, each thing at a place of its own.
final class ReplicaPollSet {
  static let signals = 0
  static let member = 1
  static let listener = 2
  static let notify = 3
  static let output = 4
  static let error = 5
  static let hookOutput = 6
  static let hookError = 7
  /// The first client; the others, and what the program has stored, follow.
  static let clients = 8
  static let stored = clients + Replica.clientLimit

  private let count: Int
  private let entries: UnsafeMutablePointer<pollfd>

  init(storeLimit: Int) {
    count = Self.stored + storeLimit
    entries = .allocate(capacity: count)
  }

  deinit { entries.deallocate() }

  /// Forgets what was watched.
  func clear() { for index in 0..<count { entries[index] = pollfd(fd: -1, events: Int16(POLLIN), revents: 0) } }

  /// Waits for input there, and where it is said for room for output.
  @inline(never)
  func watch(_ place: Int, _ descriptor: Descriptor?, writes: Bool = false) {
    guard let descriptor else { return }
    entries[place].fd = descriptor.number
    if writes { entries[place].events |= Int16(POLLOUT) }
  }

  /// Waits for nothing but the other end's going.
  func watchEnd(_ place: Int, _ descriptor: Descriptor) { entries[place] = pollfd(fd: descriptor.number, events: 0, revents: 0) }

  /// Waits for an event, at most until the moment.
  func wait(until moment: Instant) {
    let left = moment == .never ? -1 : max(0, (moment - Clock.now).nanoseconds)
    if lc_poll(entries, UInt(count), left) < 0 { for index in 0..<count { entries[index].revents = 0 } }
  }

  /// Whether something has happened there.
  func isReady(_ place: Int) -> Bool { entries[place].revents != 0 }
}
