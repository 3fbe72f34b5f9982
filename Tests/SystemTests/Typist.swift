import Foundation
import Linux
import StopPlan

/// Types to a program on a pseudo-terminal, each input once the text before it has appeared.
enum Typist {
  /// What is done at the terminal.
  enum Input: ExpressibleByStringInterpolation {
    case keys(String)
    case size(rows: Int, columns: Int)

    init(stringLiteral text: String) { self = .keys(text) }
  }

  typealias Step = (wanted: String, typed: Input)

  private static let script = """
    import fcntl, json, os, pty, re, select, struct, sys, termios, time
    steps = json.load(open(sys.argv[1]))
    def resize(fd, size): fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    pid, fd = pty.fork()
    if pid == 0:
      os.environ["PS1"] = "prompt$ "
      resize(0, [24, 80])
      os.execv(sys.argv[2], sys.argv[2:])
    shown, end = "", time.monotonic() + 90
    def read():
      global shown
      if time.monotonic() > end: raise SystemExit("LATE " + repr(shown))
      if not select.select([fd], [], [], 0.2)[0]: return True
      try: data = os.read(fd, 65536)
      except OSError: data = b""
      shown += data.decode(errors="replace")
      return bool(data)
    for wanted, typed in steps:
      while not re.search(wanted, shown):
        if not read():
          os.kill(pid, 9)
          raise SystemExit("ENDED before " + wanted + " after " + repr(shown))
      shown = ""
      if isinstance(typed, str): os.write(fd, typed.encode())
      else: resize(fd, typed)
    while read(): pass
    print("LAST", repr(shown))
    print("CODE", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    """

  /// Takes all steps, then waits for the program's end.
  /// - Returns: its exit code, below zero for a signal, and the output since the last step.
  static func type(_ steps: [Step], to command: [String]) async throws -> (code: Int, output: String) {
    let scratch = try ScratchDirectory()
    let script: [[Any]] = steps.map { step in
      switch step.typed {
      case .keys(let text): [step.wanted, text]
      case .size(let rows, let columns): [step.wanted, [rows, columns]]
      }
    }
    let file = try scratch.file("steps", String(decoding: JSONSerialization.data(withJSONObject: script), as: UTF8.self))
    let run = try InitRun(
      "/usr/bin/python3", ["-c", Self.script, file] + command, in: scratch, environment: ["TERM=dumb", "HOME=/root"]
    ) { $0.group = .session }
    guard try await run.code() == 0, let last = run.lines.last, let code = Int(last.dropFirst(5)) else { throw Failure(run.output) }
    return (code, run.output)
  }
}
