import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What members of a little family of processes are told: the main process, a child in its group (`same`), one in a session of its own
/// (`apart`).
final class DialectFamily {
  /// Says who it is, then each signal that it hears. `--cleans`: TERM ends the children, after a while.
  static let program = """
    import os, signal, sys, time
    heard = set(int(number) for number in sys.argv[1].split(","))
    signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    def listen(name):
      os.write(1, b"%s=%d\\n" % (name, os.getpid()))
      while True:
        number = signal.sigwait(heard)
        os.write(1, b"%s got %d\\n" % (name, number))
        if name == b"main":
          if number == int(sys.argv[2]): os._exit(5)
        elif number == 15 and "--cleans" in sys.argv:
          time.sleep(0.3)
          os.write(1, b"%s cleaned\\n" % name)
          os._exit(0)
    if "same" in sys.argv and os.fork() == 0: listen(b"same")
    if "apart" in sys.argv and os.fork() == 0:
      os.setsid()
      listen(b"apart")
    listen(b"main")
    """

  let run: InitRun
  private(set) var pids: [String: Int32] = [:]
  var main: Int32 { pids["main"] ?? 0 }

  /// - Parameter ending: the signal that ends the main process, with exit code 5.
  init(
    _ subject: DialectSubject, _ options: [String] = [], children: [String] = [], heard: [Int32] = [1, 2, 3, 10, 12, 15], ending: Int32 = 3,
    environment: [String] = [], prepare: (inout Program) throws -> Void = { _ in }
  ) async throws {
    let numbers = heard.map(String.init).joined(separator: ",")
    let command = ["python3", "-c", Self.program, numbers, String(ending)] + children
    run = try subject.start(options + ["--"] + command, environment: environment + ["TINI_VERBOSITY=0"], prepare: prepare)
    for name in ["main"] + children where !name.hasPrefix("-") {
      try await eventually("the process \(name)") { (try? run.pid(name)) != nil }
      pids[name] = try run.pid(name)
    }
  }

  deinit { for pid in pids.values { _ = lc_kill(pid, SIGKILL) } }

  func heard(_ number: Int32, by name: String) async throws { try await run.line("\(name) got \(number)") }

  /// Whom a signal to the init reaches: after the first who hears it, each hears another by itself, which comes after it.
  func reached(by number: Int32) async throws -> [String] {
    try run.send(try #require(Signal(number: number)))
    try await eventually("anybody hears \(number)") { run.lines.contains { $0.hasSuffix("got \(number)") } }
    return try await told(number)
  }

  /// Who has been told by now.
  func told(_ number: Int32, among names: [String]? = nil) async throws -> [String] {
    let names = names ?? Array(pids.keys)
    for name in names {
      _ = lc_kill(pids[name] ?? 0, SIGUSR2)
      try await heard(12, by: name)
    }
    return names.filter { run.lines.contains("\($0) got \(number)") }.sorted()
  }
}
