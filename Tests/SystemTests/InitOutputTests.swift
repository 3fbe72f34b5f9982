import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// The output of a replica: its log in the CRI's form, its hooks', and what happens when its keeper dies.
@Suite struct InitOutputTests {
  private struct Entry: Equatable {
    var stream: String
    var isWhole: Bool
    var text: String
  }

  private func entries(_ replica: InitReplica) throws -> [Entry] {
    try replica.text("log").split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { line in
      let columns = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
      guard columns.count == 4, columns[0].wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z/) != nil, ["F", "P"].contains(columns[2])
      else {
        throw Failure("not a line of the CRI's form: \(line.prefix(100))")
      }
      return Entry(stream: columns[1], isWhole: columns[2] == "F", text: columns[3])
    }
  }

  @Test(arguments: InitBinary.all)
  func linesOfBothStreamsAreLoggedWithTheirTime(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "echo one; echo; echo 'two  blanks'; printf 'no newline'")
    #expect(try await replica.run.code() == 0)
    #expect(
      try entries(replica) == [
        Entry(stream: "stdout", isWhole: true, text: "one"), Entry(stream: "stdout", isWhole: true, text: ""),
        Entry(stream: "stdout", isWhole: true, text: "two  blanks"), Entry(stream: "stdout", isWhole: false, text: "no newline"),
      ])
    let errors = try InitReplica(binary, "echo bad >&2")
    #expect(try await errors.run.code() == 0)
    #expect(try entries(errors) == [Entry(stream: "stderr", isWhole: true, text: "bad")])
  }

  @Test(arguments: InitBinary.all)
  func aLongLineIsWrittenInParts(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "head -c 40000 /dev/zero | tr '\\0' x; echo; head -c 16384 /dev/zero | tr '\\0' y; echo")
    #expect(try await replica.run.code() == 0)
    let found = try entries(replica)
    #expect(found.map(\.text.count) == [16_384, 16_384, 7_232, 16_384, 0])
    #expect(found.map(\.isWhole) == [false, false, true, false, true])
  }

  @Test(arguments: InitBinary.all)
  func nothingOfALotOfOutputIsLost(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, "seq 1 20000; seq 1 10000 >&2")
    #expect(try await replica.run.code() == 0)
    let lines = replica.text("log").split(separator: "\n")
    for (stream, count) in [("stdout", 20_000), ("stderr", 10_000)] {
      let found = lines.filter { $0.contains(stream) }.map { String($0.split(separator: " ").last ?? "") }
      #expect(found == (1...count).map(String.init), "\(stream)")
    }
  }

  @Test(arguments: InitBinary.all)
  func outputOfWhatOutlivesTheMainProcessIsLoggedToo(binary: InitBinary) async throws {
    let replica = try InitReplica(
      binary, ["--grace", "40"], "sh -c 'trap \"echo last words; exit\" TERM; echo ready; while :; do sleep 0.05; done' & wait")
    try await replica.line("ready")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 143)
    #expect(replica.logged().contains("last words"))
  }

  @Test(arguments: InitBinary.all)
  func hooksWriteToTheirOwnLog(binary: InitBinary) async throws {
    let replica = try InitReplica(
      binary, ["--stop", "hook(sh -c 'echo leaving; echo oops >&2')/TERM/50", "--grace", "80"], InitReplicaTests.worker)
    try await replica.line("ready")
    try replica.run.send(.term)
    #expect(try await replica.run.code() == 5)
    // Of two streams the order is not known.
    #expect(replica.logged("hooks.log").sorted() == ["leaving", "oops"])
    #expect(replica.logged() == ["ready", "told"])
  }

  @Test(arguments: InitBinary.all)
  func aHookThatOutlivesItsTimeIsEndedWithTheTree(binary: InitBinary) async throws {
    let replica = try InitReplica(
      binary, ["--stop", "hook(sh -c 'echo hook=$$; exec sleep 1000')/TERM/50", "--grace", "2"], InitReplicaTests.worker)
    try await replica.line("ready")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try replica.run.send(.term)
    _ = try await client.event("hookOverran")
    #expect(try await replica.run.code() == 5)
    let hook = try #require(replica.logged("hooks.log").first.flatMap { Int32($0.dropFirst(5)) })
    #expect(!lives(hook))
    #expect(replica.run.seconds < 40)
  }

  @Test(arguments: InitBinary.all)
  func aHookThatCannotBeRunDoesNotEndTheStop(binary: InitBinary) async throws {
    let replica = try InitReplica(binary, ["--stop", "hook(no-such-hook)/TERM/50", "--grace", "80"], InitReplicaTests.worker)
    try await replica.line("ready")
    let client = try await replica.client()
    try await client.send("follow 0\n")
    try replica.run.send(.term)
    let failure = try await client.event("hookFailed")
    #expect(failure["command"] as? String == "no-such-hook")
    #expect(failure["reason"] as? String == "no such file or directory")
    #expect(try await replica.run.code() == 5)
  }

  @Test(arguments: InitBinary.all)
  func theProgramOutlivesAKilledKeeperAndItsNextWrite(binary: InitBinary) async throws {
    let replica = try InitReplica(
      binary,
      "echo main=$$; echo ready; until [ -e killed ]; do sleep 0.02; done; echo write one; echo write two >&2; touch wrote; exec sleep 1000"
    )
    try await replica.line("ready")
    let pid = try #require(replica.logged().first.flatMap { Int32($0.dropFirst(5)) })
    defer { _ = lc_kill(pid, SIGKILL) }
    try replica.run.send(.kill)
    #expect(try await replica.run.code() == 137)
    _ = try replica.run.scratch.file("killed", "")
    try await eventually("what it writes after its keeper's death") {
      FileManager.default.fileExists(atPath: replica.run.scratch.path + "/wrote")
    }
    #expect(lives(pid))
  }
}
