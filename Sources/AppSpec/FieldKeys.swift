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
  case command, directory, env, replicas, listen, ready, stop, update, restart

  static let refused = Dictionary(
    uniqueKeysWithValues: [
      "live", "sidecars", "reload", "logs", "exits", "kind", "schedule", "after", "image", "user", "limits",
    ].map { ($0, "\"\($0)\" is not supported by this version of lastcall") })
}

enum ListenKey: String, FieldKey {
  case host, port, via
}

enum ReadyKey: String, FieldKey {
  case http, tcp, exec, every, timeout

  static let refused = ["notify": "notify is not a probe and takes no settings; write it as \"ready: notify\""]
}

/// The keys of a readiness probe's `http`.
enum ReadyHTTPKey: String, FieldKey {
  case path, port
}

enum StopKey: String, FieldKey {
  case plan, grace, preStop
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
