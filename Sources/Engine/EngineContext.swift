import Foundation
import StopPlan

/// What all parts of one engine share.
struct EngineContext: Sendable {
  let paths: EnginePaths
  let children: Children
  let store: StateStore
  let reporter: Reporter
  /// What is never shown.
  let secrets: Secrets
  /// The keeper's binary.
  let keeperBinary: String
  /// Our own binary, for the proxy.
  let ownBinary: String
  /// The lastcall-init for containers; it need not be there when no app has an image.
  let initBinary: String
  /// The environment for programs, ours taken out of it.
  let environment: [String: String]
  /// The directories of what has ended.
  let ended: EndedReplicas
  let ports = ReplicaPorts()
  /// The clock of scheduled jobs.
  let wallAlarms: WallAlarms
  let cgroups: Cgroups

  init(
    paths: EnginePaths, children: Children, store: StateStore, reporter: Reporter, secrets: Secrets, keeperBinary: String,
    ownBinary: String, initBinary: String, environment: [String: String], wallAlarms: WallAlarms, cgroups: Cgroups
  ) {
    self.paths = paths
    ended = EndedReplicas(paths)
    self.children = children
    self.store = store
    self.reporter = reporter
    self.secrets = secrets
    self.keeperBinary = keeperBinary
    self.ownBinary = ownBinary
    self.wallAlarms = wallAlarms
    self.initBinary = initBinary
    self.cgroups = cgroups
    self.environment = environment.filter { name, _ in
      !name.hasPrefix("LASTCALL_") && !name.hasPrefix("LISTEN_") && name != "NOTIFY_SOCKET"
    }
  }
}
