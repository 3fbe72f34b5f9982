import Linux
import StopPlan

/// A replica whose keeper was killed, or cannot be reached.
extension ReplicaProcess {
  /// The keeper was killed: what it kept is stopped by us. Doubt whether that was all blocks the replacement, loudly.
  func sweep() async {
    let survivors = Survivors(main: main, mainStart: mainStart, directory: directory)
    let count = survivors.find().count
    if main > 0 || count > 0 {
      let left = count == 0 ? "it left nothing" : "what it left is stopped: \(count) \(count == 1 ? "process" : "processes")"
      await report(.warning, "KeeperLost", "the keeper of \(name) was killed; \(left)", key: key("lost"))
    }
    let limit = Clock.now + plan.grace
    await stopContainer(by: sweepDeadline(limit))
    await survivors.stop(by: plan.firstSignal) { await self.sweepDeadline(limit) }
    let suspects = survivors.suspects()
    guard directory.isHeld || !suspects.isEmpty else { return }
    isInDoubt = true
    let what =
      suspects.isEmpty
      ? "something of \(name) still runs and cannot be seen; fuser \(directory.lock) names it"
      : """
      what \(name) seems to have left still runs: process \(suspects.map { "\($0.pid)" }.joined(separator: ", ")), by its environment; it is not \
      surely its own and is left alone: end it by hand
      """
    await report(.warning, "Doubt", what + "; no other replica takes its place until then")
    while directory.isHeld || !survivors.suspects().isEmpty, request.map({ Clock.now < Instant(nanoseconds: $0.deadline) }) ?? true {
      try? await TaskThreads.sleep(.seconds(1))
    }
    isInDoubt = directory.isHeld || !survivors.suspects().isEmpty
  }

  /// Until when what a killed keeper has left has time; a user can make that shorter meanwhile.
  private func sweepDeadline(_ limit: Instant) -> Instant {
    isSweepHurried ? Clock.now : min(limit, request.map { Instant(nanoseconds: $0.deadline) } ?? .never)
  }

  // MARK: - A run directory that somebody has deleted

  /// Waits for its end beside everything else. While no engine followed it somebody has deleted its run directory: its keeper keeps it as before,
  /// but cannot be asked anything any more. It counts as what it was, nothing takes its place, and who wants its end has its keeper told TERM,
  /// which stops it by its plan.
  func follow(lost keeper: ProcessIdentity) async {
    let main = ProcessTree.descendants(of: keeper.pid).first { $0.parent == keeper.pid && $0.session == $0.identity.pid }
    (lost, hasStarted, saidReady) = (keeper, true, wasReady)
    know(keeper.pid, main: main?.identity)
    tellLost()
    Task {
      await keeper.untilEnded()
      over()
    }
    await report(
      .warning, "Unreachable",
      """
      \(name) runs on, but its run directory was deleted and its keeper, process \(keeper.pid), cannot be asked anything any more; nothing takes \
      its place: lastcall restart \(owner) replaces it, kill \(keeper.pid) stops it by its plan
      """)
  }

  /// More than TERM, which it takes once, a keeper without its socket cannot be told.
  func tellLost() {
    if let lost, request != nil { try? ProcessHandle.send(.term, to: lost) }
  }
}
