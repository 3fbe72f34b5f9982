#if !hasFeature(Embedded)
  /// What a platform does to a process when it stops it, as data with a source.
  public struct Preset: Equatable, Sendable {
    /// The name that `--like` takes.
    public var name: String
    /// The plan's text form.
    public var text: String
    /// The platform's own grace period.
    public var grace: TimeSpan
    /// The least time it leaves between the first signal and KILL.
    public var floor: TimeSpan
    /// What it waits for.
    public var until: StopPlan.Until
    /// Where the numbers come from.
    public var source: String

    /// The plan, under another grace period when one is given: the last wait before KILL is then what the platform's own option would set.
    public func plan(grace other: TimeSpan? = nil) throws(StopPlanError) -> StopPlan {
      var plan = try StopPlan(text, grace: other ?? grace)
      plan.floor = floor
      plan.until = until
      if let other { plan.stretch(to: other) }
      return plan
    }

    /// All presets, by name.
    public static let all: [Preset] = [
      Preset(
        name: "compose", text: "TERM/10/KILL", grace: .seconds(10), floor: .zero, until: .tree,
        source: "Compose specification, stop_grace_period: 10 s and stop_signal: SIGTERM by default"),
      Preset(
        name: "docker", text: "TERM/10/KILL", grace: .seconds(10), floor: .zero, until: .tree,
        source: "docker stop, --time: 10 s by default; the container's other processes are killed when its PID 1 has ended"),
      Preset(
        name: "ecs", text: "TERM/30/KILL", grace: .seconds(30), floor: .zero, until: .tree,
        source: "Amazon ECS task definition, stopTimeout: 30 s by default; then as docker stop"),
      Preset(
        name: "heroku", text: "TERM@tree/30/KILL", grace: .seconds(30), floor: .zero, until: .tree,
        source: "Heroku Dev Center, Dyno shutdown behavior: TERM to all processes of the dyno, 30 s, KILL"),
      Preset(
        name: "kubernetes", text: "TERM/30/KILL", grace: .seconds(30), floor: .seconds(2), until: .tree,
        source:
          "terminationGracePeriodSeconds: 30 s; pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer: at least 2 s after TERM"),
      Preset(
        name: "nginx", text: "QUIT/5/TERM/5/KILL", grace: .seconds(10), floor: .zero, until: .tree,
        source: "Debian's nginx package, debian/nginx-common.nginx.init: STOP_SCHEDULE QUIT/5/TERM/5/KILL/5"),
      Preset(
        name: "nomad", text: "INT/5/KILL", grace: .seconds(5), floor: .zero, until: .tree,
        source: "Nomad task block: kill_signal SIGINT and kill_timeout 5 s by default (nomad/structs/structs.go)"),
      Preset(
        name: "supervisord", text: "TERM/10/KILL@main", grace: .seconds(10), floor: .zero, until: .main,
        source:
          "supervisord, [program:x]: stopsignal TERM and stopwaitsecs 10 by default; stopasgroup and killasgroup are false, children are left"
      ),
      Preset(
        name: "systemd", text: "TERM@tree/90/KILL", grace: .seconds(90), floor: .zero, until: .tree,
        source: "systemd.kill(5): KillMode=control-group, SIGTERM then SIGCONT to all; systemd-system.conf(5): DefaultTimeoutStopSec=90s"),
      Preset(
        name: "timeout", text: "TERM@group/10/KILL@group", grace: .seconds(10), floor: .zero, until: .main,
        source: "coreutils timeout(1) -k 10: TERM to the command and its group, KILL to both after the duration of -k; src/timeout.c"),
    ]

    /// The preset of that name, or nil.
    public static func named(_ name: String) -> Preset? { all.first { $0.name == name } }
  }

  extension StopPlan {
    /// Gives the plan's last wait what is left of `grace` after its other waits, so that KILL comes at `grace`.
    mutating func stretch(to grace: TimeSpan) {
      self.grace = grace
      guard let last = steps.lastIndex(where: { if case .wait = $0 { true } else { false } }),
        case .wait(let written, let ifUseful) = steps[last]
      else { return }
      let others = writtenLength - written
      steps[last] = .wait(max(.zero, grace - others), ifUseful: ifUseful)
    }
  }
#endif
