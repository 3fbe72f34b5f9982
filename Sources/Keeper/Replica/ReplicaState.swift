import CLinux
import Linux
import StopPlan

/// What a keeper hands to the one that it becomes (`upgrade PATH`): a line a value, a text after a line with its length.
///
/// A keeper takes only versions that it knows; names that it does not know it passes over, so that most changes need no new version.
enum StateKey: Int {
  case main, swept, sequence, ready, reloading, listener, notify, output, error
  case logFile, logCount, logDropped, logOpenLines, logFailure
  case maskLow, maskHigh, childrenIgnored
  case announcedDeadline, pauseEnd, hasNoticed, timeLimit
  case watchdog, watchdogAt, extensionLimit, firstSequence
  case events, status, outputPartial, outputHeld, errorPartial, errorHeld, logEntries, stored

  static var names: ByteView {
    """
    main swept sequence ready reloading listener notify output error logFile logCount logDropped logOpenLines logFailure \
    maskLow maskHigh childrenIgnored announcedDeadline pauseEnd hasNoticed timeLimit watchdog watchdogAt extensionLimit firstSequence \
    events status outputPartial outputHeld errorPartial errorHeld logEntries stored
    """
  }

  /// From here on they are texts.
  static var firstText: Int { StateKey.events.rawValue }
  static var count: Int { StateKey.stored.rawValue + 1 }

  var name: ByteView {
    var rest = Self.names
    for _ in 0..<rawValue { _ = rest.take(before: UInt8(ascii: " ")) }
    return rest.take(before: UInt8(ascii: " "))
  }
}

/// Writes a state.
struct StateWriter {
  /// The version of what is written, and the only one that is read.
  static var version: Int64 { 1 }
  /// How it begins.
  static var head: ByteView { "lastcall-keeper state 1\n" }

  private(set) var bytes: [UInt8] = []

  init() { bytes.append(text: Self.head) }

  @inline(never)
  mutating func number(_ key: StateKey, _ value: Int64) {
    bytes.append(text: key.name)
    bytes.append(text: " ")
    bytes.append(number: value)
    bytes.append(text: "\n")
  }

  @inline(never)
  mutating func text(_ key: StateKey, _ text: [UInt8]) {
    number(key, Int64(text.count))
    bytes.append(bytes: text)
  }
}

/// A state that was read.
final class ReplicaState {
  private let numbers: UnsafeMutablePointer<Int64>
  private var texts: [[UInt8]] = []

  /// Reads one from a descriptor, which it closes; nil when it is none that we know.
  init?(_ descriptor: Descriptor) {
    numbers = .allocate(capacity: StateKey.count)
    numbers.initialize(repeating: -1, count: StateKey.count)
    for _ in StateKey.firstText..<StateKey.count { texts.append([]) }
    var content: [UInt8] = []
    var part: [UInt8] = []
    _ = lc_rewind(descriptor.number)
    while (try? descriptor.read(into: &part, count: 65_536)) != nil, !part.isEmpty { content.append(bytes: part) }
    descriptor.close()
    let isKnown = content.withView { view in
      var rest = view
      guard rest.take(StateWriter.head) else { return false }
      while !rest.isEmpty {
        var line = rest.take(before: UInt8(ascii: "\n"))
        let position = line.take(before: UInt8(ascii: " ")).position(among: StateKey.names)
        guard let position, let value = line.number() else { continue }
        numbers[position] = value
        if position < StateKey.firstText { continue }
        texts[position - StateKey.firstText].append(text: rest.prefix(Int(value)))
        rest = rest.dropping(Int(value))
      }
      return true
    }
    if !isKnown { return nil }
  }

  deinit { numbers.deallocate() }

  /// A number, nil when it is not there.
  subscript(key: StateKey) -> Int64? { numbers[key.rawValue] < 0 ? nil : numbers[key.rawValue] }

  func instant(_ key: StateKey) -> Instant { Instant(nanoseconds: self[key] ?? .max) }

  func text(_ key: StateKey) -> [UInt8] { texts[key.rawValue - StateKey.firstText] }

  /// A descriptor that survived, closed by the next exec again.
  func descriptor(_ key: StateKey) -> Descriptor? {
    guard let number = self[key] else { return nil }
    let descriptor = Descriptor(number: Int32(truncatingIfNeeded: number))
    try? descriptor.setCloseOnExec(true)
    return descriptor
  }
}
