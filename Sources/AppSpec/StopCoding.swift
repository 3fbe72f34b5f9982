import StopPlan

extension Stop: Codable {
  private enum CodingKeys: String, CodingKey { case steps, grace, floor, reserve, until, adoptsReceivedSignal, preStop, like }

  /// One step of a plan, with its hook's command.
  private struct Step: Codable {
    var hook: CommandWords?
    var pause: String?
    var send: String?
    var to: String?
    var wait: String?
    var ifUseful: Bool?
  }

  /// Reads what is there; the rest is as in the standard plan of 30 s.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let grace = try container.span(.grace) ?? .seconds(30)
    var plan = StopPlan.standard(grace: grace)
    var hooks: [CommandWords] = []
    if let steps = try container.decodeIfPresent([Step].self, forKey: .steps) {
      plan.adoptsReceivedSignal = false
      plan.steps = []
      for step in steps {
        guard let read = Self.step(step) else { throw container.wrong("a step", "\(step)", .steps) }
        plan.steps.append(read)
        if let hook = step.hook { hooks.append(hook) }
      }
    }
    plan.floor = try container.span(.floor) ?? plan.floor
    plan.reserve = try container.span(.reserve) ?? plan.reserve
    plan.until = try container.decodeIfPresent(String.self, forKey: .until) == "main" ? .main : .tree
    plan.adoptsReceivedSignal = try container.value(.adoptsReceivedSignal, or: plan.adoptsReceivedSignal)
    self.init(
      plan, hooks: hooks, preStop: try container.decodeIfPresent(PreStop.self, forKey: .preStop),
      like: try container.decodeIfPresent(Like.self, forKey: .like))
  }

  /// Writes every part.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    var remaining = hooks[...]
    try container.encode(written.steps.map { Self.written($0, hooks: &remaining) }, forKey: .steps)
    try container.encode(written.grace, forKey: .grace)
    try container.encode(written.floor, forKey: .floor)
    try container.encode(written.reserve, forKey: .reserve)
    try container.encode(written.until == .main ? "main" : "tree", forKey: .until)
    try container.encode(written.adoptsReceivedSignal, forKey: .adoptsReceivedSignal)
    try container.encodeIfPresent(preStop, forKey: .preStop)
    try container.encodeIfPresent(like, forKey: .like)
  }

  private static func step(_ step: Step) -> StopPlan.Step? {
    if step.hook != nil { return .hook([]) }
    if let pause = step.pause.flatMap({ TimeSpan($0) }) { return .pause(pause) }
    if let wait = step.wait.flatMap({ TimeSpan($0) }) { return .wait(wait, ifUseful: step.ifUseful ?? false) }
    guard let signal = step.send.flatMap({ Signal($0) }) else { return nil }
    guard let scope = StopPlan.Scope.allCases.first(where: { name(of: $0) == step.to ?? "main" }) else { return nil }
    return .send(signal, scope)
  }

  private static func written(_ step: StopPlan.Step, hooks: inout ArraySlice<CommandWords>) -> Step {
    switch step {
    case .hook: Step(hook: hooks.popFirst())
    case .pause(let span): Step(pause: span.written)
    case .send(let signal, let scope): Step(send: signal.name, to: name(of: scope))
    case .wait(let span, let ifUseful): Step(wait: span.written, ifUseful: ifUseful)
    }
  }

  private static func name(of scope: StopPlan.Scope) -> String { String(decoding: scope.name.buffer, as: UTF8.self) }
}

extension Stop.PreStop: Codable {
  private enum CodingKeys: String, CodingKey { case exec, sleep, http }

  /// Reads the one kind that is there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let command = try container.decodeIfPresent(CommandWords.self, forKey: .exec) {
      self = .exec(command)
    } else if let span = try container.span(.sleep) {
      self = .sleep(span)
    } else {
      self = .http(try container.decode(HTTPTarget.self, forKey: .http))
    }
  }

  /// Writes the kind as the key.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .exec(let command): try container.encode(command, forKey: .exec)
    case .sleep(let span): try container.encode(span, forKey: .sleep)
    case .http(let target): try container.encode(target, forKey: .http)
    }
  }
}
