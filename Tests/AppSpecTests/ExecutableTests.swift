import Foundation
import Testing

@testable import AppSpec

@Suite struct ExecutableTests {
  @Test func aPathIsRelativeToTheDirectory() throws {
    let scratch = try Scratch()
    let server = try scratch.write("bin/server", "", mode: 0o755)
    #expect(try resolveExecutable("./bin/server", directory: scratch.path, searchPath: nil) == server)
    #expect(try resolveExecutable("bin/server", directory: scratch.path, searchPath: nil) == server)
    #expect(try resolveExecutable(server, directory: "/", searchPath: nil) == server)
    #expect(try resolveExecutable(".//bin/server", directory: scratch.path, searchPath: nil) == server)
  }

  @Test func aNameIsLookedUpInPath() throws {
    let scratch = try Scratch()
    let (first, second) = ("\(scratch.path)/a", "\(scratch.path)/b")
    try scratch.write("a/tool", "", mode: 0o644)
    let tool = try scratch.write("b/tool", "", mode: 0o755)
    #expect(try resolveExecutable("tool", directory: "/", searchPath: "\(first):\(second)") == tool)
    #expect(try resolveExecutable("tool", directory: second, searchPath: "\(first):") == "\(second)/tool")
    #expect(try resolveExecutable("tool", directory: scratch.path, searchPath: "./b") == tool)
    #expect(try resolveExecutable("sh", directory: "/", searchPath: nil) == "/bin/sh")
    #expect(throws: ExecutableError.notExecutable(command: "tool", path: "\(first)/tool")) {
      try resolveExecutable("tool", directory: "/", searchPath: first)
    }
    #expect(throws: ExecutableError.notFound(command: "tool", lookedAt: ["/nowhere", "/"])) {
      try resolveExecutable("tool", directory: "/", searchPath: "/nowhere:")
    }
  }

  @Test func whatCannotBeStartedSaysWhy() throws {
    let scratch = try Scratch()
    try scratch.write("data/file", "")
    let cases = [
      ("./none", "command not found: ./none (looked at \(scratch.path)/none)"),
      ("./data", "command is not a file: ./data (\(scratch.path)/data)"),
      ("./data/file", "command not executable: ./data/file (\(scratch.path)/data/file); give it the right with chmod +x"),
      ("none", "command not found: none (looked at /none/bin, /none/sbin)"),
    ]
    for (command, message) in cases {
      let error = #expect(throws: ExecutableError.self) {
        try resolveExecutable(command, directory: scratch.path, searchPath: "/none/bin:/none/sbin")
      }
      #expect(error?.description == message)
    }
  }

  @Test func allCommandsOfAFileAreChecked() throws {
    let scratch = try Scratch()
    try scratch.write("bin/tool", "", mode: 0o755)
    let text = """
      apps:
        web:
          command: [./server]
          ready: { exec: [./check] }
          stop: { plan: hook(./first)/TERM, preStop: { exec: [sh, -c, 'true'] } }
        worker:
          command: [tool]
          env: { PATH: ./bin }
        other:
          command: [tool]
      """
    let path = scratch.path
    let error = try #require(throws: AppFileError.self) { try read(text, directory: path).checkCommands() }
    #expect(
      error.mistakes.map(\.description) == [
        "lastcall.yaml:3:14: apps.web.command: command not found: ./server (looked at \(path)/server)",
        "lastcall.yaml:4:20: apps.web.ready.exec: command not found: ./check (looked at \(path)/check)",
        "lastcall.yaml:5:19: apps.web.stop.plan: command not found: ./first (looked at \(path)/first)",
        "lastcall.yaml:10:14: apps.other.command: command not found: tool (looked at /usr/bin, /bin)",
      ])
    for name in ["server", "check", "first"] { try scratch.write(name, "", mode: 0o755) }
    try read(text.replacingOccurrences(of: "other:\n    command: [tool]", with: "other:\n    command: [sh]"), directory: path)
      .checkCommands()
  }
}
