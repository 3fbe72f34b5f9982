import Foundation
import Testing

/// A container's terminal.
extension InitContainerTests {
  /// busybox's prompt, with which it asks where the cursor is.
  private static let prompt = "/ # (\\x1b\\[6n)?$"

  @Test func aShellInAContainerHasJobControl() async throws {
    // A quote within a word, so that the echo of what is typed is not taken for the output.
    let program = "sh -c 'echo rea\"\"dy; exec sleep 1000'\n"
    let result = try await Container.type(
      [
        (Self.prompt, .keys(program)),
        ("ready", "\u{3}"),
        (Self.prompt, "echo code $?\n"),
        ("code 130[\\s\\S]*" + Self.prompt, .keys(program)),
        ("ready", "\u{1a}"),
        ("Stopped[\\s\\S]*" + Self.prompt, "fg\n"),
        ("sh -c", "\u{3}"),
        (Self.prompt, "echo code $?\n"),
        ("code 130[\\s\\S]*" + Self.prompt, "sh -c 'trap \"stty size; exit 6\" WINCH; stty size; while :; do sleep 0.05; done'; exit $?\n"),
        ("24 80\\s", .size(rows: 31, columns: 91)),
      ], entrypoint: ["/init", "--"], ["sh"])
    #expect(result.code == 6, "\(result.output)")
    #expect(result.output.contains("31 91"), "\(result.output)")
  }

  @Test func theProgramOfATerminalGetsItsKeysAndSize() async throws {
    let script = """
      trap 'echo got in""t' INT; trap 'echo got qu""it' QUIT; trap 'stty size' WINCH; echo rea""dy
      until [ "$line" ]; do read line; done; echo line $line; exit 6
      """
    let result = try await Container.type(
      [("ready", "\u{3}"), ("got int", "\u{1c}"), ("got quit", .size(rows: 31, columns: 91)), ("31 91", "hello\n")],
      entrypoint: ["/init", "--"], ["sh", "-c", script])
    #expect(result.code == 6)
    #expect(result.output.contains("line hello"), "\(result.output)")
  }

  /// Nobody could continue what Ctrl-Z has stopped.
  @Test func ctrlZDoesNotStopAProgramThatHasNoShell() async throws {
    let result = try await Container.type(
      [("ready", "\u{1a}"), ("\\^Z", "hello\n"), ("line hello", "\u{3}")],
      entrypoint: ["/init", "--"], ["sh", "-c", "echo rea\"\"dy; read line; echo line $line; exec sleep 1000"])
    #expect(result.code == 130, "\(result.output)")
  }

  @Test func twoCtrlCsStopTheWholeContainer() async throws {
    let script = Self.worker + "\nworker a 0.3 & trap 'echo in\"\"t' INT; trap 'exit 9' TERM; while :; do sleep 0.05; done"
    let result = try await Container.type(
      [("ready a", "\u{3}"), ("interrupted", "\u{3}"), ("stop began on INT", "")], entrypoint: ["/init", "-v", "--grace", "100", "--"],
      ["sh", "-c", script])
    #expect(result.code == 9)
    #expect(result.output.contains("cleaned a"), "\(result.output)")
  }

  @Test func podmanStopEndsAContainerWithATerminal() async throws {
    let container = try await start(
      options: ["--grace", "100"], podman: ["-t"], "worker a 0.3 & trap 'exit 9' TERM; echo ready; wait")
    try await container.line("ready a")
    try await container.stop()
    #expect(try await container.code() == 9)
    #expect(container.lines.contains("cleaned a"), "\(container.output)")
  }
}
