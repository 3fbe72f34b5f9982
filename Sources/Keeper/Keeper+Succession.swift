import CLinux
import Linux
import StopPlan

/// The main process and its sidecars (`--with`), in the order that `Succession` decides.
///
/// A sidecar is kept by a lastcall-init of its own: its tree is exact, it is stopped by a plan, and nothing of it is taken for the main
/// process's.
extension Keeper {
  /// Nothing is left of a program.
  func over(_ program: Int) {
    succession.over(program, at: Clock.now)
    nextSuccession = nil
  }

  /// All are to be stopped, the sidecars after the main process.
  func stopAll() {
    succession.stop(by: Clock.now + totalGrace, mainIsTold: mainStatus == nil)
    nextSuccession = nil
  }

  /// Does what is to be done now.
  @inline(never)
  func succeed() {
    while !isOver {
      switch succession.next(at: Clock.now) {
      case .start(Succession.main): startMain()
      case .start(let sidecar): start(sidecar)
      case .stop(Succession.main, let deadline): feed(.stop(StopRequest(id: Self.timeLimitId - 1, deadline: deadline)))
      case .stop(let sidecar, let deadline):
        try? Announcement(left: max(.milliseconds(1), deadline - Clock.now)).send(.term, to: apart.pids[sidecar])
      case .kill(let sidecar):
        _ = lc_kill(apart.pids[sidecar], Signal.kill.number)
        leftover = true
      case .wait(let moment):
        nextSuccession = moment
        return
      case .finish: isOver = true
      }
    }
  }

  private func start(_ sidecar: Int) {
    let (name, command) = options.sidecar(sidecar)
    var text: [UInt8] = []
    text.append(text: "lastcall-init --parent-death=TERM -- ")
    text.append(text: command)
    let arguments = CStringArray((try? text.withView { (view) throws(Words.Problem) in try Words.split(view) }) ?? [])
    var spawn = lc_spawn_inheriting()
    spawn.group = lc_group_session
    // What is typed is for the main process.
    let input = lc_open("/dev/null", O_RDONLY, 0)
    spawn.in = Int32(truncatingIfNeeded: input)
    defer { if input >= 0 { _ = lc_close(spawn.in) } }
    do throws(StartError) {
      apart.pids[sidecar] = try spawner.start(arguments.pointer, executable: Path("/proc/self/exe"), &spawn)
      emit(.sidecarStarted(name, apart.pids[sidecar]))
    } catch {
      Diagnostics.say("cannot start ", name, error.cause)
      over(sidecar)
    }
  }
}
