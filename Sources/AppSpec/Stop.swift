import StopPlan

/// How an app's replicas are stopped.
public struct Stop: Equatable, Sendable {
  /// What is done before the plan's first signal.
  public enum PreStop: Equatable, Sendable {
    /// Runs a command in the replica's environment: the plan's first step.
    case exec(CommandWords)
    /// Waits, for routers to notice: the plan's first step.
    case sleep(TimeSpan)
    /// Asks the replica by HTTP. The keeper has no HTTP client: who carries out the stop asks before the plan begins, within its grace.
    case http(HTTPTarget)
  }

  /// Whose order of a stop is kept to, for rehearsals that must be faithful.
  public enum Like: String, CaseIterable, Codable, Sendable {
    /// Kubernetes': the endpoint's removal races with the signal, and an HTTP hook's status means nothing.
    case kubernetes
  }

  /// The plan without `preStop`. Its hooks have no words: those are in `hooks`.
  private(set) var written: StopPlan
  /// The commands of the plan's hooks, in order.
  private(set) var hooks: [CommandWords]
  /// What is done before the plan's first signal.
  public private(set) var preStop: PreStop?
  /// Whose order is kept to; nil, the default, is lastcall's own.
  public var like: Like?

  /// A stop.
  /// - Parameters:
  ///   - plan: the plan without `preStop`.
  ///   - hooks: the commands of the plan's hooks, one for each.
  ///   - preStop: what is done before the first signal.
  ///   - like: whose order is kept to.
  init(_ plan: StopPlan, hooks: [CommandWords] = [], preStop: PreStop? = nil, like: Like? = nil) {
    written = plan
    written.steps = plan.steps.map { step in if case .hook = step { .hook([]) } else { step } }
    self.hooks = hooks
    self.preStop = preStop
    self.like = like
  }

  /// The budget of the whole stop, 0…24 h; 30 s unless written, or what a longer plan asks for.
  public var grace: TimeSpan { written.grace }

  /// The plan for one replica: `preStop`'s command or pause first, then the written steps, their hooks expanded.
  ///
  /// With a hook or a pause a quarter of the grace is kept for what comes after them (as in a plan's own text).
  ///
  /// - Parameters:
  ///   - values: the replica's.
  ///   - isInContainer: whether the hooks run in a container, where paths are as they are written.
  public func plan(for values: ReplicaValues, isInContainer: Bool = false) -> StopPlan {
    func words(_ command: CommandWords) -> [[UInt8]] {
      (isInContainer ? command.words(for: values) : command.argv(for: values)).map { Array($0.utf8) }
    }
    var plan = written
    var remaining = hooks[...]
    plan.steps = plan.steps.map { step in
      guard case .hook = step, let command = remaining.popFirst() else { return step }
      return .hook(words(command))
    }
    switch preStop {
    case .exec(let command): plan.steps.insert(.hook(words(command)), at: 0)
    case .sleep(let span): plan.steps.insert(.pause(span), at: 0)
    case .http, nil: return plan
    }
    plan.reserve = max(plan.reserve, plan.grace / 4)
    return plan
  }

  /// Replaces secrets in the commands.
  mutating func hide(_ pieces: SecretPieces) {
    hooks = hooks.map { $0.hiding(pieces) }
    if case .exec(let command)? = preStop { preStop = .exec(command.hiding(pieces)) }
  }
}

extension Stop {
  /// The standard plan within a grace, as of an app that writes nothing else.
  public init(grace: TimeSpan) { self.init(.standard(grace: grace)) }
}
