import StopPlan

extension AppReader {
  private static var defaultGrace: TimeSpan { .seconds(30) }

  /// Reads `stop`.
  mutating func readStop(_ field: Field?) -> Stop {
    let expected = "a mapping such as { plan: TERM/25/KILL, grace: 30s }"
    guard let field, let fields = reader.fields(field, expected: expected, StopKey.self) else { return Stop(grace: Self.defaultGrace) }
    let grace = fields[.grace].flatMap { reader.span($0, in: .zero ... .seconds(24 * 3600)) }
    let like = fields[.like].flatMap { reader.word($0, Stop.Like.self) }
    var stop = makeStop(
      plan: fields[.plan], preStop: fields[.preStop], grace: grace, isGraceWrong: fields[.grace] != nil && grace == nil, like: like)
    stop.like = like
    return stop
  }

  /// Reads a sidecar's `stop`, which has the grace and the order of the app's.
  mutating func readSidecarStop(_ field: Field?, as app: Stop) -> Stop {
    let expected = "a mapping such as { plan: TERM/5/KILL }"
    guard let field, let fields = reader.fields(field, expected: expected, SidecarStopKey.self) else {
      return Stop(Self.plan(like: app.like, grace: app.grace))
    }
    return makeStop(plan: fields[.plan], preStop: fields[.preStop], grace: app.grace, isGraceWrong: false, like: app.like)
  }

  /// The plan of those who have written none.
  private static func plan(like: Stop.Like?, grace: TimeSpan) -> StopPlan {
    let preset = like.flatMap { Preset.named($0.rawValue) }
    return preset.flatMap { try? $0.plan(grace: grace) } ?? .standard(grace: grace)
  }

  private mutating func makeStop(
    plan planField: Field?, preStop preStopField: Field?, grace: TimeSpan?, isGraceWrong: Bool, like: Stop.Like?
  ) -> Stop {
    var plan = Self.plan(like: like, grace: grace ?? Self.defaultGrace)
    var hooks: [CommandWords] = []
    if let planField {
      // A plan, hook or grace that could not be read has its own mistake; the checks below would only guess.
      guard let (read, commands) = readPlan(planField, grace: grace), !isGraceWrong else { return Stop(plan) }
      (plan, hooks) = (read, commands)
      checkLength(of: plan, like: like, at: planField)
    }
    guard let preStopField, let preStop = readPreStop(preStopField) else { return Stop(plan, hooks: hooks) }
    checkRoom(for: preStop, in: plan, like: like, at: preStopField)
    return Stop(plan, hooks: hooks, preStop: preStop)
  }

  private mutating func readPlan(_ field: Field, grace: TimeSpan?) -> (StopPlan, [CommandWords])? {
    guard let scalar = reader.scalar(field, expected: "a stop plan such as TERM/25/KILL") else { return nil }
    let plan: StopPlan
    do throws(StopPlanError) {
      plan = try StopPlan(scalar.text, grace: grace, fallback: Self.defaultGrace)
    } catch {
      reader.report("\(error.expectation); found \(shown(scalar.text))", in: scalar, offset: error.position, at: field)
      return nil
    }
    guard plan.grace <= .seconds(24 * 3600) else {
      reader.report("the plan takes \(plan.grace.written), longer than the 24h that a stop may take", at: field)
      return nil
    }
    var hooks: [CommandWords] = []
    for case .hook(let words) in plan.steps {
      let texts = words.map { String(decoding: $0, as: UTF8.self) }
      guard let hook = makeCommand(texts.map { (text: $0, field: field) }, at: field) else { return nil }
      hooks.append(hook)
    }
    return (plan, hooks)
  }

  /// A grace that cuts the plan short would leave a part of the text without effect.
  private mutating func checkLength(of plan: StopPlan, like: Stop.Like?, at field: Field) {
    if plan.grace == .zero {
      let isOnlyKill = plan.steps.allSatisfy { if case .send(.kill, _) = $0 { true } else { false } }
      if !isOnlyKill {
        reader.report("a grace of 0 kills at once, so that the plan would never be carried out; raise grace or leave plan out", at: field)
      }
    } else if plan.writtenLength > plan.grace {
      let (length, grace) = (plan.writtenLength.written, plan.grace.written)
      reader.report("the plan's waits come to \(length), more than the grace of \(grace); raise grace or shorten the plan", at: field)
    } else {
      checkPauses(plan.pauses, in: plan, like: like, at: field)
    }
  }

  /// Hooks and pauses get three quarters of the grace (`StopPlan.reserve`), for Kubernetes all of it: what is longer would be cut short.
  private mutating func checkPauses(_ pauses: TimeSpan, in plan: StopPlan, like: Stop.Like?, at field: Field) {
    let room = like == .kubernetes ? plan.grace : plan.grace - plan.grace / 4
    guard pauses > room else { return }
    let most = like == .kubernetes ? "the grace, which is" : "three quarters of the grace of \(plan.grace.written), which is"
    reader.report(
      "the pauses before the first signal come to \(pauses.written), but get at most \(most) \(room.written); raise grace", at: field)
  }

  private mutating func readPreStop(_ field: Field) -> Stop.PreStop? {
    let expected = "a mapping such as { exec: [./leave-cluster] }, { http: { path: /drain, method: POST } } or { sleep: 2s }"
    guard let fields = reader.fields(field, expected: expected, PreStopKey.self) else { return nil }
    guard let kind = fields.written.first, let value = fields[kind], fields.written.count == 1 else {
      guard !fields.written.isEmpty || fields.lacks(.exec, .sleep, .http) else { return nil }
      let found = fields.written.isEmpty ? "none" : fields.written.map(\.rawValue).joined(separator: " and ")
      reader.report("expected one of exec, sleep and http; found \(found)", at: field)
      return nil
    }
    switch kind {
    case .exec: return readCommand(value).map { .exec($0) }
    case .sleep: return reader.span(value, in: .zero ... .seconds(24 * 3600)).map { .sleep($0) }
    case .http: return readHookTarget(value).map { .http($0) }
    }
  }

  private mutating func checkRoom(for preStop: Stop.PreStop, in plan: StopPlan, like: Stop.Like?, at field: Field) {
    if plan.grace == .zero {
      reader.report("a grace of 0 kills at once, so that preStop would never run; raise grace or leave preStop out", at: field)
    } else if case .sleep(let span) = preStop {
      checkPauses(span + plan.pauses, in: plan, like: like, at: field)
    }
  }
}

extension StopPlan {
  fileprivate var pauses: TimeSpan {
    steps.reduce(.zero) { sum, step in if case .pause(let span) = step { sum + span } else { sum } }
  }
}
