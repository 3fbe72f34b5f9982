import AppSpec
import Foundation
import Linux
import StopPlan

/// Calls podman for one container, from its replica's directory, and takes what it says.
struct Podman: Sendable {
  let children: Children
  /// The environment that podman itself runs in.
  let environment: [String: String]
  let directory: ReplicaDirectory

  /// How long podman may take for what should take a moment: its locks may be held, its storage slow.
  static let patience = TimeSpan.seconds(60)

  /// Runs it to its end.
  /// - Returns: what it wrote to its standard output, at most 1 MiB.
  /// - Throws: `EngineError` with podman's own words.
  func run(_ words: [String], within limit: TimeSpan = patience) async throws -> String {
    let file = try CommandWords(program: "podman", directory: "/").executable(searchPath: environment["PATH"])
    var program = Program(
      executable: Path(string: file), arguments: (["podman"] + words).map { Array($0.utf8) },
      environment: environment.map { Array("\($0.key)=\($0.value)".utf8) })
    let (answer, complaint) = (directory.path + "/podman.out.\(RequestIDs.next())", directory.path + "/podman.err.\(RequestIDs.next())")
    defer { for file in [answer, complaint] { try? FileManager.default.removeItem(atPath: file) } }
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    let output = try Path(string: answer).open(O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
    defer { output.close() }
    let error = try Path(string: complaint).open(O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
    defer { error.close() }
    (program.input, program.output, program.error) = (null, output, error)
    program.directory = Path(string: "/")
    let pid = try await children.start(program)
    let clock = Task {
      try await TaskThreads.sleep(limit)
      // It leads a group of its own, and it is ours until it is reaped.
      try? DirectSignal.send(.kill, to: -pid)
    }
    let status = await children.wait(for: pid)
    clock.cancel()
    guard status.isSuccess else {
      let said = Self.text(complaint).split(separator: "\n").last.map(String.init)
      throw EngineError("podman \(words[0]): \(said ?? ExitWords.of(status))")
    }
    return Self.text(answer)
  }

  private static func text(_ path: String) -> String {
    let data = FileHandle(forReadingAtPath: path).flatMap { try? $0.read(upToCount: 1 << 20) } ?? Data()
    return String(decoding: data, as: UTF8.self)
  }

  /// What an image says of its containers.
  func configuration(of image: String) async throws -> ImageConfiguration {
    let text = try await run(["image", "inspect", "--format", "{{json .Config}}", image])
    do { return try JSONDecoder().decode(ImageConfiguration.self, from: Data(text.utf8)) } catch {
      throw EngineError("podman's description of the image \(image) cannot be read: \(error)")
    }
  }

  /// Stops a container by its own stop signal, and kills it at the deadline. One that there is none of is stopped.
  func stop(_ container: String, by deadline: Instant) async throws {
    let left = max(.zero, deadline - Clock.now)
    let seconds = (left.nanoseconds + 999_999_999) / 1_000_000_000
    _ = try await run(["stop", "--ignore", "--time", "\(seconds)", container], within: left + Self.patience)
  }

  /// Kills what is left of a container and removes it. One that there is none of is removed.
  func remove(_ container: String) async throws { _ = try await run(Self.removal(of: container)) }

  static func removal(of container: String) -> [String] { ["rm", "--force", "--ignore", "--time", "0", container] }

  /// Sends a signal to the container's PID 1.
  func kill(_ signal: Signal, _ container: String) async throws { _ = try await run(["kill", "--signal", "\(signal)", container]) }
}

/// What is said in an image, as far as it matters here (OCI image specification, config.md).
struct ImageConfiguration: Decodable, Sendable {
  var entrypoint: [String]?
  var command: [String]?
  var stopSignal: String?

  private enum CodingKeys: String, CodingKey {
    case entrypoint = "Entrypoint"
    case command = "Cmd"
    case stopSignal = "StopSignal"
  }

  /// The signal that ends its program; nil when it does not say, or says what is none.
  var signal: Signal? { stopSignal.flatMap { Signal($0) } }
}
