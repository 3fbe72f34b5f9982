import StopPlan

/// One field of an app that is not as it was.
public struct Difference: Equatable, Sendable {
  /// Which field, in the file's words: `stop.grace`, `env.LOG_LEVEL`, `sidecars.mesh.command`.
  public var path: String
  /// What it was, as a file has it; nil when there was nothing. `(secret)` for a secret.
  public var old: String?
  /// What it is, as a file has it; nil when there is nothing. `(secret, changed)` for a secret, `(secret)` for a new one.
  public var new: String?

  /// Whether replicas have to be replaced for it. What only the engine acts on (how many, in which order, when and whether again) is taken
  /// over by those that run.
  public var needsNewReplicas: Bool {
    let first = path.prefix { $0 != "." }
    return !["replicas", "update", "restart", "exits", "after", "schedule", "secrets"].contains(first)
  }
}

extension App {
  /// What is not as it was, in the order of `App`'s fields; empty when both mean the same. No value of a secret is in it.
  public func differences(from old: App) -> [Difference] {
    let secrets = secretPieces.union(old.secretPieces)
    let (before, after) = (old.fieldTexts(hiding: secrets), fieldTexts(hiding: secrets))
    let previous = Dictionary(before.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    let current = Set(after.map(\.path))
    let changed = after.compactMap { field in
      let was = previous[field.path]
      return was?.text == field.text ? nil : Self.difference(field.path, was, field)
    }
    return changed + before.filter { !current.contains($0.path) }.map { Self.difference($0.path, $0, nil) }
  }

  private static func difference(_ path: String, _ was: FieldText?, _ field: FieldText?) -> Difference {
    if was?.isSecret ?? false || field?.isSecret ?? false {
      return Difference(path: path, old: was.map { _ in "(secret)" }, new: field.map { _ in was == nil ? "(secret)" : "(secret, changed)" })
    }
    let isHidden = was?.shown == field?.shown
    return Difference(path: path, old: was?.shown, new: field.map { isHidden ? "\($0.shown) (secret, changed)" : $0.shown })
  }

  /// What the file says beyond the defaults, as it would say it, in the order of `App`'s fields; the command, the directory and the number of
  /// replicas always. A secret's value is `***`.
  public var declared: [(path: String, text: String)] {
    let defaults = Dictionary(
      App(name: name, command: command).fieldTexts.map { ($0.path, $0.text) }, uniquingKeysWith: { first, _ in first })
    let always = ["command", "directory", "replicas"]
    return redacted().fieldTexts.filter { always.contains($0.path) || defaults[$0.path] != $0.text }.map { ($0.path, $0.text) }
  }

  private func fieldTexts(hiding secrets: SecretPieces) -> [FieldText] {
    zip(fieldTexts, hiding(secrets).fieldTexts).map { field, hidden in
      var field = field
      field.shown = hidden.text
      return field
    }
  }
}

/// A field and what a file has there.
private struct FieldText {
  var path: String
  var text: String
  /// The text without secrets.
  var shown = ""
  var isSecret = false
}

/// What a file would have to say for an app to be as it is.
private struct FieldTexts {
  private(set) var fields: [FieldText] = []

  mutating func add(_ path: String, _ text: String?, isSecret: Bool = false) {
    if let text { fields.append(FieldText(path: path, text: text, isSecret: isSecret)) }
  }

  mutating func add(_ path: String, variables: [String: Template], isSecret: (String) -> Bool) {
    for (name, value) in variables.sorted(by: { $0.key < $1.key }) { add("\(path).\(name)", value.written, isSecret: isSecret(name)) }
  }

  mutating func add(_ path: String, _ check: Readiness.Check) {
    switch check {
    case .http(let target): add("\(path).http", target.written)
    case .tcp(let port): add("\(path).tcp", port.map { "\($0)" } ?? "true")
    case .exec(let command): add("\(path).exec", command.written)
    case .notify: add(path, "notify")
    }
  }

  mutating func add(_ path: String, _ ready: Readiness?) {
    guard let ready else { return }
    add(path, ready.check)
    add("\(path).every", ready.every.written)
    add("\(path).timeout", ready.timeout.written)
  }

  mutating func add(_ path: String, _ stop: Stop) {
    add("\(path).plan", stop.planText)
    add("\(path).grace", stop.grace.written)
    switch stop.preStop {
    case .exec(let command): add("\(path).preStop.exec", command.written)
    case .sleep(let span): add("\(path).preStop.sleep", span.written)
    case .http(let target): add("\(path).preStop.http", target.written)
    case nil: break
    }
    add("\(path).like", stop.like?.rawValue)
  }
}

extension App {
  private var fieldTexts: [FieldText] {
    var texts = FieldTexts()
    if let container {
      texts.add("image", container.image)
      texts.add("runtime", container.runtime.rawValue)
      texts.add("command", container.command.isEmpty ? nil : CommandWords.list(container.command.map(\.written)))
      texts.add("podman", container.options.isEmpty ? nil : CommandWords.list(container.options.map(\.written)))
    } else {
      texts.add("command", command.written)
    }
    texts.add("directory", directory)
    texts.add("env", variables: environment, isSecret: isSecret)
    texts.add("secrets", secrets.isEmpty ? nil : CommandWords.list(secrets.sorted()))
    texts.add("replicas", "\(replicas)")
    texts.add("kind", kind.rawValue)
    texts.add("schedule", schedule)
    texts.add("after", after.isEmpty ? nil : CommandWords.list(after))
    texts.add("listen.host", listen?.host)
    texts.add("listen.port", listen.map { "\($0.port)" })
    texts.add("listen.via", listen?.via.rawValue)
    texts.add("ready", ready)
    addLiveness(to: &texts)
    texts.add("stop", stop)
    addSidecars(to: &texts)
    texts.add("update.surge", update.surge.written)
    texts.add("update.unavailable", update.unavailable.written)
    texts.add("update.deadline", update.deadline.written)
    texts.add("update.settle", update.settle.written)
    texts.add("restart.policy", restart.policy.rawValue)
    texts.add("restart.backoff", restart.backoffText)
    for cause in exits.causes { texts.add("exits.\(cause.written)", exits.meanings[cause]?.rawValue) }
    addSettings(to: &texts)
    return texts.fields
  }

  private func addLiveness(to texts: inout FieldTexts) {
    guard let live else { return }
    texts.add("live", live.check)
    texts.add("live.every", live.every.written)
    texts.add("live.timeout", live.timeout.written)
    texts.add("live.failures", "\(live.failures)")
    texts.add("live.after", live.after.written)
  }

  private func addSidecars(to texts: inout FieldTexts) {
    // The order matters: it is that of starting.
    texts.add("sidecars", sidecars.isEmpty ? nil : CommandWords.list(sidecars.map(\.name)))
    for sidecar in sidecars {
      let path = "sidecars.\(sidecar.name)"
      texts.add("\(path).command", sidecar.command.written)
      texts.add("\(path).directory", sidecar.directory)
      texts.add("\(path).env", variables: sidecar.environment, isSecret: isSecret)
      texts.add("\(path).ready", sidecar.ready)
      texts.add("\(path).stop", sidecar.stop)
    }
  }

  private func addSettings(to texts: inout FieldTexts) {
    switch reload {
    case .signal(let signal): texts.add("reload.signal", signal.name)
    case .exec(let command): texts.add("reload.exec", command.written)
    case nil: break
    }
    texts.add("logs.size", ByteSize.text(logs.size))
    texts.add("logs.keep", "\(logs.keep)")
    texts.add("logs.full", logs.full.rawValue)
    texts.add("notify.watchdog", notify.watchdog?.written)
    texts.add("notify.extend", notify.extend.written)
    texts.add("notify.store", "\(notify.store)")
    texts.add("user", user?.written)
    texts.add("umask", umask.map { String("00\(String($0, radix: 8))".suffix(3)) })
    texts.add("limits.files", limits.files?.written)
    texts.add("limits.processes", limits.processes?.written)
    texts.add("limits.core", limits.core?.written)
  }
}

extension HTTPTarget {
  fileprivate var written: String {
    guard method != .get || port != nil else { return path }
    return "{ path: \(path)" + (method == .get ? "" : ", method: \(method.rawValue)") + (port.map { ", port: \($0)" } ?? "") + " }"
  }
}

extension Stop {
  /// The plan without `preStop`, its hooks as they are written; nil for the standard plan, which the grace says all of.
  fileprivate var planText: String? {
    if written.adoptsReceivedSignal { return nil }
    var plan = written
    var remaining = hooks[...]
    plan.steps = plan.steps.map { step in
      guard case .hook = step, let command = remaining.popFirst() else { return step }
      return .hook([Array(command.program.utf8)] + command.arguments.map { Array($0.written.utf8) })
    }
    return plan.description
  }
}
