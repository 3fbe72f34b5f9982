import Foundation
import Linux
import StopPlan
import Testing

/// lastcall-init as PID 1 of a real container.
@Suite(.serialized, .enabled(if: Container.isPossible, "needs root, podman, runc, a static busybox and bin/lastcall-init"))
struct InitContainerTests {
  /// Two workers in the background; the slower one needs 1.5 s to clean up.
  static let script = """
    worker() { trap "sleep $2; echo cleaned $1; exit 0" TERM; echo ready $1; while :; do sleep 0.05; done; }
    worker fast 0.2 &
    worker slow 1.5 &
    trap 'echo main told; exit 23' TERM
    wait
    """

  @Test func podmanStopWaitsForTheSlowerProgramAndNoLonger() async throws {
    let container = try await Container(["/init", "--grace", "50", "--", "/busybox", "sh", "-c", Self.script])
    try await container.line("ready fast")
    try await container.line("ready slow")
    let asked = ContinuousClock.now
    try await container.podman(["stop", "-t", "60", container.name])
    let taken = ContinuousClock.now - asked
    #expect(taken >= .seconds(1.4) && taken < .seconds(20), "\(taken)")
    let output = try await container.output()
    #expect(output.contains("cleaned fast") && output.contains("cleaned slow"), "\(output)")
    #expect(try await container.exitCode() == 23)
  }

  @Test func aProgramThatIgnoresTermIsKilledByTheInitAndNotByPodman() async throws {
    let deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    let container = try await Container(["/init", "--grace", "3", "--", "/busybox", "sh", "-c", deaf])
    try await container.line("ready")
    let asked = ContinuousClock.now
    try await container.podman(["stop", "-t", "60", container.name])
    let taken = ContinuousClock.now - asked
    #expect(taken >= .seconds(2.9) && taken < .seconds(40), "\(taken)")
    #expect(try await container.exitCode() == 137)
  }
}

/// A container made by podman, removed with it.
final class Container: Sendable {
  let name: String
  private let scratch: ScratchDirectory

  private static let image = "lastcall-init-test"
  private static let initPath = InitBinary.all.first { $0.testDescription == "embedded" }?.path

  static let isPossible: Bool =
    getuid() == 0 && initPath != nil
    && ["/usr/bin/podman", "/usr/sbin/runc", "/bin/busybox"].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

  init(_ command: [String]) async throws {
    name = "lastcall-\(UUID().uuidString.lowercased().prefix(8))"
    scratch = try ScratchDirectory()
    let image = Self.image + name
    try FileManager.default.copyItem(atPath: Self.initPath ?? "", toPath: scratch.path + "/init")
    try FileManager.default.copyItem(atPath: "/bin/busybox", toPath: scratch.path + "/busybox")
    try FileManager.default.createDirectory(atPath: scratch.path + "/bin", withIntermediateDirectories: true)
    for tool in ["sh", "sleep"] {
      try FileManager.default.createSymbolicLink(atPath: scratch.path + "/bin/" + tool, withDestinationPath: "/busybox")
    }
    try await Self.run("/bin/tar", ["-C", scratch.path, "-cf", scratch.path + "/image.tar", "init", "busybox", "bin"])
    try await podman(["import", scratch.path + "/image.tar", image])
    let limits = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1024:1024", "--network=host"]
    try await podman(["run", "-d", "--name", name] + limits + [image] + command)
  }

  deinit {
    for arguments in [["rm", "-f", "-t", "0", name], ["rmi", "-f", Self.image + name]] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/podman")
      process.arguments = Self.global + arguments
      (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
      try? process.run()
      process.waitUntilExit()
    }
  }

  private static let global = ["--runtime", "/usr/sbin/runc", "--cgroup-manager=cgroupfs"]

  @discardableResult
  func podman(_ arguments: [String]) async throws -> String { try await Self.run("/usr/bin/podman", Self.global + arguments) }

  @discardableResult
  private static func run(_ executable: String, _ arguments: [String]) async throws -> String {
    let run = try InitRun(executable, arguments, environment: ["HOME=/root"])
    let code = try await run.code()
    guard code == 0 else { throw Failure("\(executable) \(arguments.joined(separator: " ")) ended with \(code): \(run.output)") }
    return run.output
  }

  func output() async throws -> String { try await podman(["logs", name]) }

  func line(_ text: String) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < end {
      if try await output().split(separator: "\n").contains(Substring(text)) { return }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Failure("no line \"\(text)\" in: \(try await output())")
  }

  func exitCode() async throws -> Int? {
    Int(try await podman(["inspect", "--format", "{{.State.ExitCode}}", name]).trimmingCharacters(in: .whitespacesAndNewlines))
  }
}
