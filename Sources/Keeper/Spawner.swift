import CLinux
import Linux
import StopPlan

/// Starts the main process and hooks, with what was inherited given back to them.
struct Spawner {
  let signals: Signals
  /// The environment for children: our options taken out, the grace put in.
  let environment: [[UInt8]]
  let path: [UInt8]
  /// Whether sockets were handed to us (sd_listen_fds(3)), so that the main process has to find its own pid in LISTEN_PID.
  let passesListeners: Bool

  init(signals: Signals, environment inherited: [[UInt8]], grace: TimeSpan, notifySocket: Path?) {
    self.signals = signals
    var kept: [[UInt8]] = []
    var path: [UInt8] = []
    path.append(text: "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
    var listens = false
    for entry in inherited {
      if hasPrefix(entry, "PATH=") { path = Array(entry.dropFirst(5)) }
      if hasPrefix(entry, "LISTEN_PID=") { listens = Self.isOurPid(entry.dropFirst(11)) }
      // A nested lastcall-init must not do again what this one does.
      if hasPrefix(entry, "LASTCALL_") { continue }
      if notifySocket != nil, hasPrefix(entry, "NOTIFY_SOCKET=") { continue }
      kept.append(entry)
    }
    var graceEntry: [UInt8] = []
    graceEntry.append(text: "LASTCALL_GRACE=")
    let inner = grace > .seconds(2) ? grace - .seconds(1) : grace / 2
    inner.append(to: &graceEntry)
    kept.append(graceEntry)
    if let notifySocket {
      var entry: [UInt8] = []
      entry.append(text: "NOTIFY_SOCKET=")
      entry.append(contentsOf: notifySocket.bytes)
      kept.append(entry)
    }
    environment = kept
    self.path = path
    passesListeners = listens
  }

  private static func isOurPid(_ text: ArraySlice<UInt8>) -> Bool {
    var own: [UInt8] = []
    own.append(number: Int64(getpid()))
    return Array(text) == own
  }

  /// A program from a command, with our signal state as it was inherited.
  func program(_ command: [[UInt8]]) throws(SystemError) -> Program {
    guard let name = command.first else { throw .notFound }
    var program = Program(executable: try Program.find(name, path: path), arguments: command, environment: environment)
    program.mask = signals.inheritedMask
    if signals.childrenWereIgnored { program.ignored = 1 << UInt64(Signal.chld.number - 1) }
    return program
  }
}
