import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// The built programs, and a place for what they make.
enum Product {
  /// Where SwiftPM puts programs: beside the tests themselves.
  static let directory = URL(fileURLWithPath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "")
    .deletingLastPathComponent().path

  static func path(_ name: String) -> String { directory + "/" + name }

  /// A fresh directory with run and state directories of its own.
  static func workspace() throws -> Workspace {
    var template = Array("/tmp/lct.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemError(code: errno) }
    return Workspace(directory: String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }
}

/// A directory in which one test runs lastcall, apart from all others.
struct Workspace: Sendable {
  let directory: String
  /// What is set beside our own environment.
  var variables: [String: String] = [:]

  var environment: [String: String] {
    var environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
    environment["LASTCALL_RUN_DIR"] = directory + "/run"
    environment["LASTCALL_STATE_DIR"] = directory + "/state"
    // As for the tests of lastcall-init itself, another one can be named; its lastcall-keeper is beside it.
    if environment["LASTCALL_INIT"] == nil { environment["LASTCALL_INIT"] = Product.path("lastcall-init") }
    return environment
  }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: directory + "/" + name, atomically: true, encoding: .utf8)
  }

  /// Starts lastcall here.
  func lastcall(_ arguments: String...) throws -> Running { try start(Product.path("lastcall"), arguments) }

  /// A file with one app that sleeps, or runs a script.
  static func sleeper(_ more: String = "", script: String = "sleep 1000") -> String {
    "apps:\n  web:\n    command: [sh, -c, '\(script)']\n\(more)"
  }

  /// One replica, as `lastcall ps` shows it.
  struct Row: Decodable {
    var name: String
    var state: String
    var pid: Int32?
  }

  /// What `lastcall ps` shows.
  func rows() async throws -> [Row] {
    let ps = try lastcall("ps", "-o", "json")
    _ = await ps.ended()
    return try JSONDecoder().decode([Row].self, from: Data(ps.output.utf8))
  }

  /// Starts lastcall on a terminal of its own, where each text is typed once what it waits for has appeared; an empty text closes the
  /// terminal. Prints what the terminal showed, and at last `STATUS` and the wait status.
  func typing(_ steps: [(wanted: String, typed: String)], lastcall arguments: String...) throws -> Running {
    let script = """
      import ast, os, pty, select, sys
      pid, terminal = pty.fork()
      if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
      shown = ""
      def read():
        global shown
        try: data = os.read(terminal, 65536)
        except OSError: data = b""
        text = data.decode(errors="replace")
        shown += text
        print(text, end="", flush=True)
        return bool(data)
      for wanted, typed in ast.literal_eval(sys.argv[1]):
        while wanted not in shown:
          if not read(): break
        shown = ""
        if typed: os.write(terminal, typed.encode())
        else: os.close(terminal); terminal = -1
      while terminal >= 0 and read(): pass
      print("STATUS", os.waitpid(pid, 0)[1], flush=True)
      """
    let list = steps.map { "(\"\($0.wanted)\", \"\($0.typed)\")," }.joined()
    return try start("/usr/bin/python3", ["-c", script, "[\(list)]", Product.path("lastcall")] + arguments)
  }

  /// Starts a program here.
  func start(_ program: String, _ arguments: [String]) throws -> Running {
    try Running(program, arguments, directory: directory, environment: environment)
  }

  /// Ends what a test that failed has left, and removes the directory.
  func remove() async {
    if let down = try? lastcall("down", "-f", "lastcall.yaml") { _ = await down.ended() }
    try? FileManager.default.removeItem(atPath: directory)
  }
}

/// A program that was started by a test, with its output in a file.
final class Running: Sendable {
  let pid: Int32
  private let outputPath: String
  private let ending: Task<ProcessStatus, Never>

  init(_ program: String, _ arguments: [String], directory: String, environment: [String: String]) throws {
    outputPath = directory + "/output.\(UInt64.random(in: 0 ... .max))"
    let output = try Path(string: outputPath).open(O_WRONLY | O_CREAT | O_APPEND)
    defer { output.close() }
    let null = try Path("/dev/null").open(O_RDONLY)
    defer { null.close() }
    var start = Program(
      executable: Path(string: program), arguments: ([program] + arguments).map { Array($0.utf8) },
      environment: environment.map { Array("\($0.key)=\($0.value)".utf8) })
    start.directory = Path(string: directory)
    (start.input, start.output, start.error) = (null, output, output)
    start.group = .session
    start.inheritsOnlyNamed = true
    start.defaulted = 1 << UInt64(Signal.pipe.number - 1)
    let pid = try start.start()
    self.pid = pid
    ending = Task.detached {
      await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          var status: Int32 = 0
          while waitpid(pid, &status, 0) < 0, errno == EINTR {}
          continuation.resume(returning: ProcessStatus(waitStatus: status) ?? .code(255))
        }
      }
    }
  }

  var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }

  func send(_ signal: Signal) { kill(pid, signal.number) }

  /// Waits for its end.
  func ended() async -> ProcessStatus { await ending.value }

  /// Waits until its output holds a text; fails the test when it has not come after a time that no machine needs.
  func says(_ text: String, times: Int = 1, _ location: SourceLocation = #_sourceLocation) async throws {
    let found = try await eventually { self.output.components(separatedBy: text).count > times }
    if !found { Issue.record("\"\(text)\" did not come \(times) times in:\n\(output)", sourceLocation: location) }
  }
}

/// Looks until a condition holds, at most two minutes.
func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
  let limit = Clock.now + .seconds(120)
  while Clock.now < limit {
    if try await condition() { return true }
    try await Task.sleep(for: .milliseconds(20))
  }
  return false
}

/// A port that nobody listens on now.
func freePort() throws -> Int {
  let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  defer { close(descriptor) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let bound = withUnsafeMutablePointer(to: &address) { pointer in
    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
      bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
    }
  }
  guard bound else { throw SystemError(code: errno) }
  return Int(UInt16(bigEndian: address.sin_port))
}
