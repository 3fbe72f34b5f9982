import CLinux
import Linux
import StopPlan

/// What lastcall-keeper is told beside what lastcall-init takes: options that stand before those.
struct ReplicaOptions {
  var log = LogFile.Policy()
  /// How many descriptors the program may store (FDSTORE=1).
  var storeLimit = 0
  /// How often the program has to say that it lives, in microseconds; 0 for never.
  var watchdog: Int64 = 0
  /// How far in all the program may move a deadline of its start.
  var extensionLimit = TimeSpan.zero
  /// What is stored from the start, since a replica before had stored it: the last of the descriptors that we inherit, each `1` when it is
  /// dropped when its other end is gone, or `0`.
  var stored: ByteView = ""
  /// A user beside ours whose processes may say how the program is.
  var notifyUser: UInt32?
  /// The descriptor with the state of the keeper that became us.
  var resumed: Descriptor?
  /// Whether we only say which state we could take.
  var isCheck = false
  /// What follows, lastcall-init's own; the word before it is for the program's name.
  private(set) var rest: CStrings

  private static var names: ByteView {
    "--log-size --log-keep --log-full --store --watchdog --extend --notify-user --resume --resume-version --stored"
  }

  /// Reads them.
  /// - Parameter arguments: what follows the run directory.
  @inline(never)
  init(_ arguments: CStrings) throws(KeeperSetup.Exit) {
    rest = arguments
    while let argument = rest[0] {
      var value = ByteView(argument)
      let length = value.count
      let name = value.take(before: UInt8(ascii: "="))
      guard let option = name.position(among: Self.names) else { break }
      rest += 1
      if option == 8 {
        isCheck = true
        continue
      }
      if name.count == length {
        value = rest[0].map { ByteView($0) } ?? ""
        if rest[0] != nil { rest += 1 }
      }
      do throws(OptionParser.Mistake) { try set(option, value) } catch {
        Diagnostics.say(error, in: name, value)
        throw KeeperSetup.Exit(code: 2)
      }
    }
    rest -= 1
  }

  private mutating func set(_ option: Int, _ value: ByteView) throws(OptionParser.Mistake) {
    switch option {
    case 0: log.limit = try number(value, .max, "expected a size in bytes, or 0 for no rotation")
    case 1: log.kept = try number(value, 1000, "expected how many rotated files are kept, 0 to 1000")
    case 2:
      guard let position = value.position(among: "block drop") else { throw OptionParser.Mistake(expectation: "expected block or drop") }
      log.blocks = position == 0
    case 3: storeLimit = Int(try number(value, 253, "expected how many descriptors may be stored, 0 to 253"))
    case 4: watchdog = try number(value, 31_536_000_000_000, "expected microseconds, or 0 for no watchdog")
    case 5:
      guard let span = TimeSpan(text: value) else { throw OptionParser.Mistake(expectation: "expected a length of time, as 90 or 2m") }
      extensionLimit = span
    case 6: notifyUser = UInt32(truncatingIfNeeded: try number(value, Int64(UInt32.max) - 1, "expected a user's number"))
    case 9: stored = value
    default: resumed = Descriptor(number: Int32(truncatingIfNeeded: try number(value, Int64(Int32.max), "expected a descriptor")))
    }
  }

  @inline(never)
  private func number(_ value: ByteView, _ limit: Int64, _ expectation: ByteView) throws(OptionParser.Mistake) -> Int64 {
    guard let number = value.number(limit: limit) else { throw OptionParser.Mistake(expectation: expectation) }
    return number
  }

  /// Our environment with what a program that is kept finds in it (sd_watchdog_enabled(3), sd_pid_notify_with_fds(3)), and where in it
  /// the place for its pid is.
  func environment(_ inherited: CStrings) -> (entries: CStrings, watchdogPid: UnsafeMutablePointer<CChar>?) {
    var count = 0
    while inherited[count] != nil { count += 1 }
    let entries = CStrings.allocate(capacity: count + 4)
    var next = entries
    for index in 0..<count {
      guard let entry = inherited[index] else { continue }
      var value = ByteView(entry)
      // Those are of our own keeper.
      if value.take(before: UInt8(ascii: "=")).position(among: "WATCHDOG_PID WATCHDOG_USEC FDSTORE") != nil { continue }
      next.pointee = entry
      next += 1
    }
    var place: UnsafeMutablePointer<CChar>?
    if watchdog > 0 {
      next.pointee = Self.entry("WATCHDOG_USEC=", watchdog)
      let pid = CStringArray.copy("WATCHDOG_PID=000000000000")
      place = pid + 13
      next[1] = pid
      next += 2
    }
    if storeLimit > 0 {
      next.pointee = Self.entry("FDSTORE=", Int64(storeLimit))
      next += 1
    }
    next.pointee = nil
    return (entries, place)
  }

  private static func entry(_ name: ByteView, _ value: Int64) -> UnsafeMutablePointer<CChar> {
    var text: [UInt8] = []
    text.append(text: name)
    text.append(number: value)
    return text.withView { CStringArray.copy($0) }
  }
}
