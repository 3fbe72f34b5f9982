import Foundation
import Linux
import Testing

/// A container made by podman, gone with it. podman's client stays in the foreground: its output is the container's, its end the
/// container's end.
final class Container: @unchecked Sendable {
  let name = "lastcall-\(UUID().uuidString.lowercased().prefix(8))"
  let scratch: ScratchDirectory
  private var client: InitRun?
  private var isOver = false

  /// - Parameters:
  ///   - entrypoint: what is run in place of the image's own entrypoint.
  ///   - options: podman's.
  ///   - isBare: whether not the image, but `root` of the scratch directory is the file system.
  ///   - scratch: a directory of the test's own, `/scratch` in the container.
  ///   - command: what the entrypoint gets as arguments; the image's own when empty.
  init(
    entrypoint: [String] = [], options: [String] = [], isBare: Bool = false, in scratch: ScratchDirectory? = nil, _ command: [String]
  ) throws {
    self.scratch = try scratch ?? ScratchDirectory()
    client = try InitRun(
      Podman.path, arguments(["--sig-proxy=false"] + options, entrypoint, command, isBare: isBare), in: self.scratch,
      environment: Podman.environment)
  }

  /// A container whose terminal somebody types at.
  private init(typedAt scratch: ScratchDirectory) { self.scratch = scratch }

  deinit {
    if isOver { return }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: Podman.path)
    process.arguments = Podman.global + ["rm", "-f", "-i", "-t", "0", name]
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try? process.run()
    process.waitUntilExit()
  }

  private func arguments(_ options: [String], _ entrypoint: [String], _ command: [String], isBare: Bool = false) throws -> [String] {
    let start = Podman.global + ["run", "--rm", "--name", name, "-v", scratch.path + ":/scratch"] + Podman.limits + options
    if isBare { return start + ["--rootfs", scratch.path + "/root"] + entrypoint + command }
    if entrypoint.isEmpty { return start + [try ContainerImage.name] + command }
    let words = String(decoding: try JSONEncoder().encode(entrypoint), as: UTF8.self)
    return start + ["--entrypoint", words, try ContainerImage.name] + command
  }

  /// Types at the container's terminal until it has ended.
  /// - Returns: podman's exit code, and what was shown.
  static func type(_ steps: [Typist.Step], entrypoint: [String] = [], _ command: [String]) async throws -> (code: Int, output: String) {
    let container = Container(typedAt: try ScratchDirectory())
    let result = try await Typist.type(steps, to: [Podman.path] + container.arguments(["-i", "-t"], entrypoint, command))
    container.isOver = true
    return result
  }

  var output: String { client?.output ?? "" }
  /// A terminal ends them with CR and LF.
  var lines: [String] { output.split(whereSeparator: \.isNewline).map(String.init) }

  func line(_ text: String) async throws {
    try await eventually("the line \"\(text)\" in: \(output)") { lines.contains(text) }
  }

  /// Waits for its end.
  /// - Returns: its exit code.
  func code() async throws -> UInt8 {
    let code = try await client?.code() ?? 255
    isOver = true
    return code
  }

  /// `podman stop`.
  /// - Returns: what podman says.
  @discardableResult
  func stop(within seconds: Int = 100) async throws -> String { try await Podman.run(["stop", "-t", String(seconds), name]) }

  func kill(_ signal: String) async throws { try await Podman.run(["kill", "--signal", signal, name]) }

  /// `podman exec`.
  /// - Returns: the exit code.
  @discardableResult
  func execute(options: [String] = [], _ command: [String]) async throws -> UInt8 {
    try await InitRun(Podman.path, Podman.global + ["exec"] + options + [name] + command, environment: Podman.environment).code()
  }

  /// What lastcall-init wrote to `/scratch/events`: the events' names, with what they are about.
  func events() throws -> [String] {
    try String(contentsOfFile: scratch.path + "/events", encoding: .utf8).split(separator: "\n").compactMap { line in
      guard let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { return nil }
      return ["event", "name", "sent"].compactMap { event[$0] as? String }.joined(separator: " ")
    }
  }
}

enum Podman {
  static let path = "/usr/bin/podman"
  static let global = ["--runtime", "/usr/sbin/runc", "--cgroup-manager=cgroupfs"]
  static let environment = ["HOME=/root"]
  /// Not those that podman would raise, and no network.
  static let limits = ["--ulimit", "nproc=1000:1000", "--ulimit", "nofile=1024:1024", "--network=host"]

  static let initPath = InitBinary.all.first { $0.testDescription == "embedded" }?.path

  static let isPossible: Bool =
    getuid() == 0 && initPath != nil
    && [path, "/usr/sbin/runc", "/bin/busybox"].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

  @discardableResult
  static func run(_ arguments: [String]) async throws -> String { try await run(path, global + arguments) }

  @discardableResult
  static func run(_ executable: String, _ arguments: [String]) async throws -> String {
    let run = try InitRun(executable, arguments, environment: environment)
    let code = try await run.code()
    guard code == 0 else { throw Failure("\(executable) \(arguments.joined(separator: " ")) ended with \(code): \(run.output)") }
    return run.output
  }
}

/// Makes an image before the suite's first test and removes it after the last: lastcall-init, also by the names of others, busybox, and a
/// service as its command.
struct ContainerImage: SuiteTrait, TestScoping {
  /// Whether lastcall-init is its entrypoint; else it has none.
  var isKept = true
  @TaskLocal private static var current = ""

  /// The image of the suite that runs.
  static var name: String {
    get throws {
      if current.isEmpty { throw Failure("no suite with an image runs") }
      return current
    }
  }

  func provideScope(for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void) async throws {
    let name = "lastcall-init-test-\(UUID().uuidString.lowercased().prefix(8))"
    do {
      let scratch = try ScratchDirectory()
      try Self.fill(scratch)
      let files = ["bin", "init", "plain", "script"]
      try await Podman.run("/bin/tar", ["-C", scratch.path, "-cf", scratch.path + "/image.tar"] + files)
      let service =
        #"CMD ["sh","-c","trap 'echo hup' HUP; trap 'echo told; exit 143' TERM; env; echo ready; while :; do sleep 0.05; done"]"#
      let entrypoint = isKept ? ["-c", #"ENTRYPOINT ["/init","--"]"#] : []
      try await Podman.run(["import"] + entrypoint + ["-c", service, scratch.path + "/image.tar", name])
    }
    do { try await Self.$current.withValue(name) { try await function() } } catch {
      _ = try? await Podman.run(["rmi", "-f", name])
      throw error
    }
    try await Podman.run(["rmi", "-f", name])
  }

  private static func fill(_ scratch: ScratchDirectory) throws {
    let files = FileManager.default
    try files.copyItem(atPath: Podman.initPath ?? "", toPath: scratch.path + "/init")
    try files.createDirectory(atPath: scratch.path + "/bin", withIntermediateDirectories: true)
    try files.copyItem(atPath: "/bin/busybox", toPath: scratch.path + "/bin/busybox")
    for tool in ["env", "sh", "sleep", "stty", "true"] {
      try files.createSymbolicLink(atPath: scratch.path + "/bin/" + tool, withDestinationPath: "busybox")
    }
    for name in ["catatonit", "docker-init", "dumb-init", "tini"] {
      try files.createSymbolicLink(atPath: scratch.path + "/bin/" + name, withDestinationPath: "/init")
    }
    _ = try scratch.file("plain", "")
    let script = try scratch.file("script", "echo run by $0; exit 5\n")
    try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: script)
  }
}
