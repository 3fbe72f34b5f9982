import Foundation
import Linux
import StopPlan
import Testing

/// Job control: lastcall-init under an interactive shell on a pseudo-terminal, as a user types it.
@Suite struct InitTerminalTests {
  /// Types to an interactive bash; the last step ends it.
  func type(_ steps: [Typist.Step]) async throws {
    _ = try await Typist.type(steps, to: ["/bin/bash", "--norc", "--noprofile", "-i"])
  }

  @Test(arguments: InitBinary.all)
  func ctrlCReachesTheProgramAsInt(binary: InitBinary) async throws {
    try await type([
      (
        "prompt\\$ $",
        "\(binary.path) bash -c 'trap \"echo in''t; exit 5\" INT; echo rea''dy; while :; do sleep 0.05; done'; echo code=$?\n"
      ),
      ("ready", "\u{3}"),
      ("int\\s+code=5\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func ctrlZStopsAndFgContinues(binary: InitBinary) async throws {
    try await type([
      ("prompt\\$ $", "\(binary.path) bash -c 'echo rea''dy; read line; echo go''t $line; exit 6'; echo code=$?\n"),
      ("ready", "\u{1a}"),
      ("Stopped[\\s\\S]*prompt\\$ $", "echo she''ll\n"),
      ("shell\\s+prompt\\$ $", "fg; echo code=$?\n"),
      ("lastcall-init", "hello\n"),
      ("got hello\\s+code=6\\s+prompt\\$ $", "exit\n"),
    ])
  }

  /// A shell that is told `fg` continues only what is stopped, and says nothing to what runs.
  func readsAfterFg(_ call: String, name: String) async throws {
    try await type([
      ("prompt\\$ $", "\(call) bash -c 'echo rea''dy; until [ -e go ]; do sleep 0.02; done; read line; echo go''t $line; exit 6' &\n"),
      ("ready", "echo she''ll\n"),
      ("shell\\s+prompt\\$ $", "(sleep 0.2; >go) & fg %1; echo code=$?\n"),
      ("fg[\\s\\S]*\(name)[\\s\\S]*bash", "hello\n"),
      ("got hello[\\s\\S]*code=6\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func whatWasStartedInTheBackgroundReadsAfterFg(binary: InitBinary) async throws {
    try await readsAfterFg(binary.path, name: "lastcall-init")
  }

  @Test(arguments: InitBinary.all)
  func furtherCtrlCsEscalateWhereTheInitHasTheTerminalAndNotTheProgram(binary: InitBinary) async throws {
    try await type([
      (
        "prompt\\$ $",
        "\(binary.path) -v --grace 80 --floor 0 bash -c 'trap \"echo in''t\" INT; trap : TERM; echo rea''dy; while :; do :; done' < /dev/null; echo code=$?\n"
      ),
      ("ready", "\u{3}"),
      ("int", "\u{3}"),
      ("escalated", "\u{3}"),
      ("escalated[\\s\\S]*killing[\\s\\S]*code=137\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func aSecondCtrlCBeginsTheStopOfAProgramThatDoesNotEndByTheFirst(binary: InitBinary) async throws {
    try await type([
      (
        "prompt\\$ $",
        "\(binary.path) -v --grace 80 --floor 0 bash -c 'trap \"echo in''t\" INT; trap : TERM; echo rea''dy; while :; do :; done'; echo code=$?\n"
      ),
      ("ready", "\u{3}"),
      ("interrupted", "\u{3}"),
      ("stop began on INT", "\u{3}"),
      ("escalated", "\u{3}"),
      ("escalated[\\s\\S]*killing[\\s\\S]*code=137\\s+prompt\\$ $", "exit\n"),
    ])
  }

  @Test(arguments: InitBinary.all)
  func theTerminalIsGivenBack(binary: InitBinary) async throws {
    try await type([
      ("prompt\\$ $", "\(binary.path) true; echo don''e\n"),
      ("done\\s+prompt\\$ $", "bash -c 'echo rea''dy; read line; echo go''t $line'\n"),
      ("ready", "hello\n"),
      ("got hello\\s+prompt\\$ $", "exit\n"),
    ])
  }
}
