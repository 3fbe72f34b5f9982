import AppSpec
import Foundation
import Linux
import Rollout
import StopPlan

/// Writing before doing.
extension AppController {
  /// Notes what is known of a replica; it is written with the next `write`.
  func keep(_ record: ReplicaRecord) {
    ledger.records[ReplicaNumber(record.number)] = record
    ledger.outbox.append(.replica(record))
  }

  /// Notes an event; it is written with the next `write`.
  func note(_ kind: EngineEvent.Kind, _ reason: String, _ message: String, _ replica: String? = nil, key: String? = nil) {
    ledger.outbox.append(.event(EngineEvent(app: name, replica: replica, kind: kind, reason: reason, message: message, key: key)))
  }

  func report(_ kind: EngineEvent.Kind, _ reason: String, _ message: String, _ replica: String? = nil) async {
    await context.reporter.report(EngineEvent(app: name, replica: replica, kind: kind, reason: reason, message: message))
  }

  /// Writes what is noted, then does what waits for that. What comes meanwhile is written together afterwards.
  func write() {
    let record = self.record
    if record != ledger.written, !ledger.isForgotten {
      ledger.written = record
      ledger.outbox.append(.app(record))
    }
    guard ledger.writing == nil, !ledger.outbox.isEmpty || !ledger.deeds.isEmpty else { return }
    ledger.writing = Task {
      while !ledger.outbox.isEmpty || !ledger.deeds.isEmpty { await writeOnce() }
      ledger.writing = nil
    }
  }

  /// Tries again what a full disk did not take.
  private func writeAgain() {
    guard !ledger.unwritten.isEmpty || !ledger.held.isEmpty else { return }
    ledger.outbox = ledger.unwritten + ledger.outbox
    ledger.unwritten = []
    write()
  }

  private func writeOnce() async {
    let (changes, deeds) = (ledger.unwritten + ledger.outbox, ledger.held.map(Ledger.Deed.stop) + ledger.deeds)
    (ledger.unwritten, ledger.outbox, ledger.deeds, ledger.held) = ([], [], [], [])
    var failure: (any Error)?
    do { try await context.store.commit(changes) } catch {
      failure = error
      // Events are tried again by the store itself.
      ledger.unwritten = StateChange.latest(of: changes.filter { if case .event = $0 { false } else { true } })
      ledger.retry.set(Clock.now + .seconds(1)) { await self.writeAgain() }
    }
    for deed in deeds {
      switch deed {
      case .start(let number):
        // Nothing is started that a later engine would not look for.
        if let failure { refuse(number, failure) } else { launch(number) }
      case .stop(let number):
        // What takes its place could not be started; who wants nothing to run needs no room.
        if failure != nil, wantedReplicas > 0, !ledger.isStopped, !ledger.isStopping {
          ledger.held.append(number)
        } else {
          Task(executorPreference: TaskThreads.next()) { await self.stopReplica(number) }
        }
      case .end(let outcome, let waiters): for waiter in waiters { waiter.resume(returning: outcome) }
      }
    }
  }

  private func refuse(_ number: ReplicaNumber, _ failure: any Error) {
    note(.warning, "Failed", "\(name(number)) is not started, since that could not be written down: \(failure)", name(number))
    gone(number)
    ended(number, .failed, wasStopped: false, leaving: nil)
  }

  /// Nothing is left of a replica.
  func gone(_ number: ReplicaNumber) {
    guard let process = ledger.processes.removeValue(forKey: number) else { return }
    ledger.records.removeValue(forKey: number)
    if let port = process.port { context.ports.giveBack(port) }
    ledger.outbox.append(.replicaGone(process.name))
  }

  /// Nothing of the app is to be kept any more, but for its revisions and events; returns when that is written.
  func forget() async {
    ledger.isForgotten = true
    ledger.outbox.append(.appGone(name))
    write()
    await ledger.writing?.value
  }

  // MARK: - Outcomes

  /// Asks for something and waits for its outcome. Who waits for an earlier one goes on.
  func untilOutcome(_ begin: () -> Void) async -> AppOutcome {
    for waiter in ledger.outcomeWaiters { waiter.resume(returning: .superseded) }
    ledger.outcomeWaiters = []
    return await withCheckedContinuation { waiter in
      ledger.outcomeWaiters.append(waiter)
      begin()
      // What is as wanted already says nothing more.
      guard isSettled, !ledger.outcomeWaiters.isEmpty else { return }
      end(.complete)
      write()
    }
  }

  /// Asks for a stop and waits until nothing runs, also when another asks for one meanwhile.
  func untilStopped(_ begin: () -> Void) async {
    var outcome = await untilOutcome(begin)
    while case .superseded = outcome, ledger.isStopping || ledger.isStopped, !ledger.processes.isEmpty { outcome = await nextOutcome() }
  }

  /// Waits until something has come of what made what comes after it wait.
  func untilChanged() async { if isSettled, !hasDoneItsPart { _ = await nextOutcome() } }

  /// Waits for the outcome of what is under way.
  func nextOutcome() async -> AppOutcome { await withCheckedContinuation { ledger.outcomeWaiters.append($0) } }

  /// Notes how what was asked for ended; those who wait for it go on once it is written.
  func end(_ outcome: AppOutcome) {
    ledger.deeds.append(.end(outcome, ledger.outcomeWaiters))
    ledger.outcomeWaiters = []
  }

  /// Notes what became of a revision.
  func settled(_ revision: Int, _ words: String, _ outcome: AppOutcome) {
    if ledger.revisions[revision]?.outcome == "" {
      ledger.revisions[revision]?.outcome = words
      ledger.outbox.append(.outcome(app: name, revision: revision, words))
    }
    end(outcome)
  }
}
