import StopPlan

/// The stop plan of a container, told from outside: its keeper's main process is the runtime's client, which passes signals on to the
/// container's PID 1, and that is lastcall-init.
///
/// Hooks, pauses, waits and KILL are the keeper's, so that one clock runs for all, and a stop can be shortened and hurried as any. Only it can
/// not tell the parts of the container apart: what a plan says to others than the main process is carried out by lastcall-init.
public struct ContainerStop: Equatable, Sendable {
  /// What the keeper carries out.
  public var outer: StopPlan
  /// What lastcall-init does at `begin`, or when the main process has ended; nil is its own plan: the main process is told, then the rest.
  public var inner: StopPlan?
  /// The signal at which lastcall-init begins its plan; it passes on all others.
  public var begin: Signal

  /// - Parameters:
  ///   - plan: the plan as it is written.
  ///   - imageSignal: the image's own stop signal (STOPSIGNAL), which is sent when nobody has written a plan.
  public init(_ plan: StopPlan, imageSignal: Signal? = nil) {
    let told = plan.steps.drop { if case .send = $0 { false } else { true } }
    let before = plan.steps.prefix(plan.steps.count - told.count)
    outer = plan
    begin = .term
    if plan.adoptsReceivedSignal {
      begin = imageSignal ?? plan.firstSignal
      outer.steps = before + [.send(begin, .main)]
    } else {
      var inner = plan
      if told.allSatisfy(Self.isPassedOn) {
        outer.steps = before + told.flatMap(Self.step)
        // What the main process leaves meets KILL, the next step: such a plan tells nobody else.
        inner.steps = [.send(.kill, .tree)]
        begin = Self.unsent
      } else {
        outer.steps = before + [.send(begin, .main)]
        inner.steps = Array(told)
      }
      self.inner = inner
    }
  }

  /// The signal by which others, such as `podman stop`, ask for the stop.
  public var signal: Signal { outer.firstSignal }

  /// One that no client passes on, so that lastcall-init passes on all that come.
  private static let unsent = Signal.pipe

  private static func isPassedOn(_ step: StopPlan.Step) -> Bool {
    switch step {
    case .send(.kill, let scope): scope == .tree || scope == .rest
    // What is not proxied: what cannot be caught, and CHLD, PIPE and URG (podman, pkg/domain/infra/abi/terminal/sigproxy_linux.go).
    case .send(let signal, let scope): scope == .main && ![.stop, .chld, .urg, unsent].contains(signal)
    default: true
    }
  }

  /// A wait is for what was told before it. The client ends before the container's remains are cleared away, which KILL must not cut short:
  /// URG, which does no harm, makes the wait one for the whole tree.
  private static func step(_ step: StopPlan.Step) -> [StopPlan.Step] {
    if case .send(let signal, .main) = step, signal != .kill { return [step, .send(.urg, .rest)] }
    return [step]
  }
}
