import CLinux
import Linux
import StopPlan

/// Starts the main process and hooks, with what was inherited given back to them.
final class Spawner {
  private let signals: Signals
  /// The environment for children: our options taken out, the grace put in.
  private let environment: CStrings
  private let path: ByteView
  /// Where the environment says LISTEN_PID, when sockets were handed to us (sd_listen_fds(3)): the main process has to find its own pid there.
  private let listenPid: UnsafeMutablePointer<CChar>?

  init(_ signals: Signals, environment inherited: CStrings, grace: TimeSpan?, directory: ByteView?) {
    self.signals = signals
    var count = 0
    while inherited[count] != nil { count += 1 }
    environment = .allocate(capacity: count + 5)
    var path: ByteView = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    var listens = false
    var source = inherited
    var next = environment
    while let entry = source.pointee {
      source += 1
      var value = ByteView(entry)
      let name = value.take(before: UInt8(ascii: "="))
      // A nested lastcall-init must not do again what this one does.
      // Where an engine keeps its things is no option of ours.
      if name.hasPrefix("LASTCALL_"), !(name.dropping(name.count - 4) == "_DIR") { continue }
      switch name.position(among: "PATH NOTIFY_SOCKET LISTEN_PID") {
      case 0: path = value
      case 1: if directory != nil { continue }
      case 2:
        if value.number() == Int64(lc_pid()) {
          listens = true
          continue
        }
      default: break
      }
      next.pointee = entry
      next += 1
    }
    self.path = path
    if let grace {
      var text: [UInt8] = []
      (grace > .seconds(2) ? grace - .seconds(1) : grace / 2).append(to: &text)
      next.pointee = text.withView { Self.entry("LASTCALL_GRACE=", $0, "") }
      next += 1
    }
    if let directory {
      next.pointee = Self.entry("NOTIFY_SOCKET=", directory, "/notify.sock")
      // By this mark an engine finds what a keeper that was killed has left.
      next[1] = Self.entry("LASTCALL_REPLICA=", directory, "")
      next += 2
    }
    var listenPid: UnsafeMutablePointer<CChar>?
    if listens {
      let entry = Self.entry("LISTEN_PID=", "000000000000", "")
      listenPid = entry + 11
      next.pointee = entry
      next += 1
    }
    self.listenPid = listenPid
    next.pointee = nil
  }

  @inline(never)
  private static func entry(_ name: ByteView, _ value: ByteView, _ end: ByteView) -> UnsafeMutablePointer<CChar> {
    var text: [UInt8] = []
    text.append(text: name)
    text.append(text: value)
    text.append(text: end)
    return text.withView { CStringArray.copy($0) }
  }

  /// Starts a program with our signal state as it was inherited.
  /// - Parameter executable: the program's file; nil finds what the first argument names.
  /// - Returns: its pid.
  @inline(never)
  func start(_ arguments: CStrings, executable: Path? = nil, isMain: Bool = false, _ spawn: inout lc_spawn) throws(StartError) -> Int32 {
    spawn.argv = CStringArray.constant(arguments)
    spawn.environment = CStringArray.constant(environment)
    spawn.mask = signals.inheritedMask
    if signals.childrenWereIgnored { spawn.ignored = 1 << UInt64(Signal.chld.number - 1) }
    if isMain {
      spawn.listen_pid = listenPid
      if Dialect.current != .own { spawn.tries_shell = 1 }
    }
    if let executable { return try spawn.start(executable) }
    let found: Path
    do throws(SystemError) {
      found = try Executable.find(arguments[0].map { ByteView($0) } ?? "", path: path)
    } catch {
      throw .notExecuted(error)
    }
    return try spawn.start(found)
  }
}
