import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// How a replica's keeper is called: what is declared, in its options' words.
struct KeeperCommand: Sendable {
  let app: App
  let values: ReplicaValues
  let port: Int?
  let directory: String
  let keeperBinary: String
  /// The lastcall-init for containers.
  let initBinary: String
  /// Whether it inherits sockets, and under which names (sd_listen_fds(3)).
  let inheritedNames: [String]
  /// What is stored for it from the start; its names are the last of the inherited ones.
  var stored: [Estate.Entry] = []
  /// The environment for programs.
  let inherited: [String: String]
  /// Whether it waits before the first signal until it is told that its turn has come.
  let waits: Bool
  /// The cgroup of its own; nil when there is none.
  let cgroup: String?

  /// How podman is called; nil when the app has no image.
  var container: ContainerCommand? {
    app.container.map {
      ContainerCommand(
        app: app, container: $0, values: values, port: port, directory: directory, listenerCount: inheritedNames.count,
        initBinary: initBinary)
    }
  }

  /// The keeper's arguments, its own name first.
  /// - Parameter image: what the app's image says, if it has one.
  func arguments(_ image: ImageConfiguration? = nil) throws -> [String] {
    let plan = try self.plan(image)
    var words = ["lastcall-keeper", directory, "--log-size", "\(app.logs.size)", "--log-keep", "\(app.logs.keep)"]
    // The rollout knows when the deadline is; the keeper sees only how long the program asks on.
    let extend = app.notify.extend > .zero ? app.update.deadline + app.notify.extend : .zero
    words += ["--log-full", app.logs.full.rawValue, "--extend", Self.text(extend)]
    if let watchdog = app.notify.watchdog { words += ["--watchdog", "\(watchdog.nanoseconds / 1_000)"] }
    if app.notify.store > 0 { words += ["--store", "\(app.notify.store)"] }
    if let cgroup { words += ["--cgroup", cgroup] }
    if !stored.isEmpty { words += ["--stored", stored.map { $0.isPolled ? "1" : "0" }.joined()] }
    if let user = try notifyUser() { words += ["--notify-user", "\(user)"] }
    words += ["--stop", plan.description, "--grace", Self.text(plan.grace), "--floor", Self.text(plan.floor)]
    words += ["--reserve", Self.text(plan.reserve), "--until", plan.until == .main ? "main" : "tree", "--"]
    if let container, let image { return words + (try container.run(image)) }
    return words + (try become()) + app.command.argv(for: values)
  }

  /// Another user than ours who may say how the program is. A name within an image is that image's to know.
  private func notifyUser() throws -> UInt32? { try app.container == nil ? app.user?.identity().user : app.user?.number }

  /// The stop plan, its hooks run as the program is.
  private func plan(_ image: ImageConfiguration?) throws -> StopPlan {
    var plan = app.stop.plan(for: values, isInContainer: app.container != nil)
    var become = try become().map { Array($0.utf8) }
    if let container {
      plan = ContainerStop(plan, imageSignal: image?.signal).outer
      become = ContainerCommand.exec([], in: container.name).map { Array($0.utf8) }
    }
    if waits { plan = app.stopOrder.holding(plan).plan }
    plan.steps = plan.steps.map { step in if case .hook(let words) = step { .hook(become + words) } else { step } }
    return plan
  }

  /// What takes on the user, umask and limits and then becomes the command; nothing when none is declared.
  func become() throws -> [String] {
    // A container's are podman's to set.
    if app.container != nil { return [] }
    var words: [String] = []
    if let user = try app.user?.identity() {
      let groups = user.groups.map(String.init).joined(separator: ",")
      words += ["--user", "\(user.user):\(user.group)" + (groups.isEmpty ? "" : ":" + groups)]
    }
    if let umask = app.umask { words += ["--umask", String(umask, radix: 8)] }
    for (name, limit) in [("files", app.limits.files), ("processes", app.limits.processes), ("core", app.limits.core)] {
      if let limit { words += ["--limit", "\(name)=\(Self.text(limit.soft)):\(Self.text(limit.hard))"] }
    }
    return words.isEmpty ? [] : [keeperBinary, "become"] + words + ["--"]
  }

  private static func text(_ bound: Limits.Bound) -> String {
    switch bound {
    case .number(let number): "\(number)"
    case .unlimited: "infinity"
    }
  }

  static func text(_ span: TimeSpan) -> String {
    var text: [UInt8] = []
    span.append(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// The environment of the keeper, the program and its hooks.
  func environment() throws -> [[UInt8]] {
    var variables = inherited
    if let container {
      variables.merge(container.secrets) { $1 }
    } else {
      if let user = try app.user?.identity() {
        if let home = user.home { variables["HOME"] = home }
        if let name = user.name { (variables["USER"], variables["LOGNAME"]) = (name, name) }
      }
      for (name, value) in app.environment(for: values) { variables[name] = value }
      if let port { variables["PORT"] = String(port) }
    }
    if !inheritedNames.isEmpty {
      variables["LISTEN_FDS"] = "\(inheritedNames.count)"
      variables["LISTEN_FDNAMES"] = inheritedNames.joined(separator: ":")
    }
    return variables.map { Array("\($0.key)=\($0.value)".utf8) }
  }
}
