import AppSpec
import Foundation
import Rollout
import StopPlan

/// How podman is called for a replica that is a container: its keeper's program is `podman run` in the foreground, which stays while the
/// container runs and ends with its status. conmon, which podman starts, is an orphan and so the keeper's (PR_SET_CHILD_SUBREAPER): the keeper's
/// tree is the client, conmon and all of the container.
struct ContainerCommand: Sendable {
  let app: App
  let container: Container
  let values: ReplicaValues
  let port: Int?
  /// The replica's directory.
  let directory: String
  /// How many sockets it inherits.
  let listenerCount: Int
  /// The static lastcall-init on this machine.
  let initBinary: String

  /// Where lastcall-init and the notify socket are in the container.
  private static let initPath = "/run/lastcall/init"
  private static let notifyPath = "/run/lastcall/notify"

  /// The container's name: the engine's key and the replica's own name, so that it is found whoever has died.
  var name: String { Self.name(directory) }

  static func name(_ directory: String) -> String {
    let parts = directory.split(separator: "/")
    return "lastcall-\(parts.dropLast(2).last ?? "")-\(parts.last ?? "")"
  }

  /// `podman run`, with all that it is told.
  ///
  /// The log is passed through, so that what the program writes goes to the keeper's pipes and not over podman. A listener (LISTEN_FDS) and
  /// the replica's lock go on to the program, as without a container.
  func run(_ image: ImageConfiguration) throws(EngineError) -> [String] {
    let stop = ContainerStop(app.stop.plan(for: values), imageSignal: image.signal)
    let command =
      (image.entrypoint ?? []) + (container.command.isEmpty ? image.command ?? [] : container.command.map { $0.text(for: values) })
    guard !command.isEmpty else {
      throw EngineError("the image \(container.image) says no command to run; write one, as in command: [./server]")
    }
    // Ours is said once: that a user's own word has to do with LISTEN_FDS is no news.
    var words = ["podman", "--log-level", "error", "run", "--rm", "--name", name, "--pull", "never", "--log-driver", "passthrough"]
    words += ["--preserve-fds", "\(listenerCount + 1)", "--sdnotify", isNotifying ? "ignore" : "conmon"]
    words += ["--volume", "\(initBinary):\(Self.initPath):ro", "--volume", "\(directory)/notify.sock:\(Self.notifyPath)"]
    words += ["--env", "NOTIFY_SOCKET=\(Self.notifyPath)"] + environment + restrictions
    words += ["--stop-signal", "\(stop.signal)", "--stop-timeout", "\((app.stop.grace.nanoseconds + 999_999_999) / 1_000_000_000)"]
    let options = container.options.map { $0.text(for: values) }
    // The proxy reaches replicas at 127.0.0.1, where their ports are one another's to keep apart.
    let hasNetwork = options.contains { ["--network", "--net"].contains($0.prefix { $0 != "=" }) }
    if app.listen?.via == .proxy, !hasNetwork { words += ["--network", "host"] }
    let entrypoint = [Self.initPath] + Self.options(stop) + ["--"]
    let json = String(decoding: (try? JSONEncoder().encode(entrypoint)) ?? Data(), as: UTF8.self)
    return words + options + ["--entrypoint", json, container.image] + command
  }

  /// Whether the program itself says that it is ready; else podman says when the container runs.
  private var isNotifying: Bool { if case .notify? = app.ready?.check { true } else { false } }

  /// lastcall-init's own options.
  private static func options(_ stop: ContainerStop) -> [String] {
    let plan = stop.inner ?? stop.outer
    var words = ["--grace", KeeperCommand.text(plan.grace), "--floor", KeeperCommand.text(plan.floor)]
    if let inner = stop.inner { words += ["--stop", inner.description] }
    return words + ["--stop-on", "\(stop.begin)", "--until", plan.until == .main ? "main" : "tree"]
  }

  /// The app's variables. The values of secrets are in podman's environment and not among its arguments, which all users can list.
  private var environment: [String] {
    var words: [String] = []
    for (name, value) in app.environment(for: values).sorted(by: { $0.key < $1.key }) {
      words += ["--env", app.isSecret(name) ? name : "\(name)=\(value)"]
    }
    if let port { words += ["--env", "PORT=\(port)"] }
    if app.notify.watchdog != nil { words += ["--env", "WATCHDOG_USEC"] }
    return words
  }

  /// The values that `--env NAME` takes from podman's own environment.
  var secrets: [String: String] { app.environment(for: values).filter { app.isSecret($0.key) } }

  private var restrictions: [String] {
    var words: [String] = []
    if let user = app.user { words += ["--user", user.written] }
    if let umask = app.umask { words += ["--umask", "0" + String(umask, radix: 8)] }
    for (name, limit) in [("nofile", app.limits.files), ("nproc", app.limits.processes), ("core", app.limits.core)] {
      if let limit { words += ["--ulimit", "\(name)=\(Self.text(limit.soft)):\(Self.text(limit.hard))"] }
    }
    return words
  }

  private static func text(_ bound: Limits.Bound) -> String {
    switch bound {
    case .number(let number): "\(number)"
    case .unlimited: "-1"
    }
  }

  /// A command in the container, as it is written: paths are the container's.
  static func exec(_ words: [String], in container: String) -> [String] { ["podman", "exec", container] + words }

  /// A command in the container that is killed there when its time is up: to end podman's client would leave it.
  static func exec(_ words: [String], in container: String, within limit: TimeSpan) -> [String] {
    exec([initPath, "--timeout", KeeperCommand.text(limit), "--grace", "0", "--"] + words, in: container)
  }
}
