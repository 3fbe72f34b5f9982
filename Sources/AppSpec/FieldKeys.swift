/// The known keys of one kind of mapping. All of them are in docs/lastcall.schema.json, and nothing else is.
protocol FieldKey: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {
  /// Keys that a user may expect here, with what to say about them.
  static var refused: [String: String] { get }
}

extension FieldKey {
  static var refused: [String: String] { [:] }
}

enum FileKey: String, FieldKey {
  case name, apps
}

enum AppKey: String, FieldKey {
  case command, directory, env, envFiles, secrets, replicas, kind, schedule, after, listen, ready, live, stop, sidecars, update, restart,
    exits
  case reload, logs, notify, user, umask, limits, image, runtime, podman
}

enum ListenKey: String, FieldKey {
  case host, port, via
}

enum ReadyKey: String, FieldKey {
  case http, tcp, exec, every, timeout

  static let refused = ["notify": "notify is not a probe and takes no settings; write it as \"ready: notify\""]
}

/// The keys of a probe's `http`.
enum ReadyHTTPKey: String, FieldKey {
  case path, port
}

enum LiveKey: String, FieldKey {
  case http, tcp, exec, every, timeout, failures, after

  static let refused = ["notify": "the program's own sign of life is \"notify: { watchdog: 10s }\", beside live"]
}

enum StopKey: String, FieldKey {
  case plan, grace, preStop, like
}

enum SidecarKey: String, FieldKey {
  case name, command, directory, env, ready, stop
}

enum SidecarStopKey: String, FieldKey {
  case plan, preStop

  static let refused = ["grace": "the app and its sidecars have one grace; write it under the app's own stop"]
}

enum PreStopKey: String, FieldKey {
  case exec, sleep, http
}

/// The keys of a preStop hook's `http`.
enum PreStopHTTPKey: String, FieldKey {
  case path, method, port
}

enum UpdateKey: String, FieldKey {
  case surge, unavailable, deadline, settle
}

enum RestartKey: String, FieldKey {
  case policy, backoff
}

enum ReloadKey: String, FieldKey {
  case signal, exec
}

enum LogsKey: String, FieldKey {
  case size, keep, full
}

enum NotifyKey: String, FieldKey {
  case watchdog, extend, store
}

enum LimitsKey: String, FieldKey {
  case files, processes, core
}

/// The keys of an item of `envFiles`.
enum EnvFileKey: String, FieldKey {
  case path, optional, secret
}
