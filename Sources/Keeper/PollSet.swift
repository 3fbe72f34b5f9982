import CLinux
import Linux
import StopPlan

/// What the keeper waits for in one turn of its loop, each thing at a place of its own.
struct PollSet {
  static let signals = 0
  static let member = 1
  static let listener = 2
  static let notify = 3
  static let output = 4
  static let error = 5
  /// The first client; the others follow.
  static let clients = 6

  private var entries = InlineArray<22, pollfd>(repeating: pollfd(fd: -1, events: Int16(POLLIN), revents: 0))

  @inline(never)
  mutating func watch(_ place: Int, _ descriptor: Descriptor?, writes: Bool = false) {
    guard let descriptor else { return }
    entries[place].fd = descriptor.number
    if writes { entries[place].events |= Int16(POLLOUT) }
  }

  /// Waits for an event, at most until the moment.
  mutating func wait(until moment: Instant) {
    let left = moment == .never ? -1 : max(0, (moment - Clock.now).nanoseconds)
    let count = UInt(entries.count)
    let result = withUnsafeMutablePointer(to: &entries) {
      lc_poll(UnsafeMutableRawPointer($0).assumingMemoryBound(to: pollfd.self), count, left)
    }
    if result < 0 { for index in entries.indices { entries[index].revents = 0 } }
  }

  /// Whether something has happened there.
  @inline(never)
  mutating func isReady(_ place: Int) -> Bool { entries[place].revents != 0 }
}
