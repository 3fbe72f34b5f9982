import Foundation
import Linux
import StopPlan
import Testing

/// Where a cgroup v2 hierarchy can be written.
let cgroupRoot = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].first {
  getuid() == 0 && access($0 + "/cgroup.procs", W_OK) == 0
}

/// `--cgroup`: KILL for a whole cgroup at once.
@Suite(.enabled(if: cgroupRoot != nil, "no cgroup v2 can be made here"))
struct InitCgroupTests {
  @Test(arguments: InitBinary.all)
  func whatIgnoresTheStopIsKilledAsAWhole(binary: InitBinary) async throws {
    let cgroup = try #require(cgroupRoot) + "/lastcall-test-" + UUID().uuidString.prefix(8)
    let script = "i=0; trap '' TERM; while [ $i -lt 100 ]; do (trap '' TERM; sleep 1000) & i=$((i+1)); done; echo up; wait"
    let run = try InitRun.script(binary, ["--grace", "0.5", "--cgroup", cgroup], script)
    try await run.line("up")
    let members = try String(contentsOfFile: cgroup + "/cgroup.procs", encoding: .utf8).split(separator: "\n")
    #expect(members.count == 101)
    try run.send(.term)
    #expect(try await run.code() == 137)
    #expect(!FileManager.default.fileExists(atPath: cgroup))
    for member in members { #expect(!lives(Int32(member) ?? 0)) }
  }

  @Test(arguments: InitBinary.all)
  func aDirectoryThatIsNoneIsSaid(binary: InitBinary) async throws {
    for path in ["/no/such/cgroup", "/tmp"] {
      let run = try InitRun(binary.path, ["--cgroup", path, "sh", "-c", "echo started"])
      #expect(try await run.code() == 125)
      #expect(run.output.contains("the cgroup cannot be used: no such file") && !run.output.contains("started"), "\(run.output)")
    }
  }
}
