import CLinux
import Linux
import StopPlan

/// What a program has said of itself.
struct ReplicaWord {
  var isReady = false
  /// Whether it has said RELOADING=1, and not READY=1 since.
  var isReloading = false
  var status: [UInt8] = []
  /// How often it has to say that it lives, in microseconds; 0 for never.
  var watchdog: Int64 = 0
  /// When it should have; never when it need not. It begins with READY=1 or the first WATCHDOG=1.
  var watchdogAt = Instant.never
  /// No deadline of its start is moved beyond this; nil before it has asked for the first time.
  var extensionLimit: Instant?
}

/// The program's own word (sd_notify(3)), and what it stores with us.
extension ReplicaKeeper {
  /// - Parameter most: not all there is: a program that never ceases to say how it is must not keep us from its signals and the clock.
  func readNotifications(most: Int = 16) {
    for _ in 0..<most {
      guard let message = try? UnixSocket.receive(replica.notify, limit: 4096) else { return }
      guard isOurs(message.user) else {
        for descriptor in message.descriptors { descriptor.close() }
        continue
      }
      message.bytes.withView { note(NotifyMessage($0), message.descriptors) }
    }
  }

  /// The file's mode keeps strangers out; this those to whom its descriptor was handed on.
  private func isOurs(_ user: UInt32) -> Bool { user == lc_user() || user == 0 || user == own.notifyUser }

  private func note(_ message: NotifyMessage, _ descriptors: [Descriptor]) {
    if let text = message.status {
      says.status.removeAll()
      says.status.append(text: text)
      emit(.notifyStatus(text))
    }
    if message.isReloading {
      says.isReloading = true
      emit(.number("notifyReloading", "monotonic", message.monotonic))
    }
    if message.isReady { saidReady() }
    if message.isStopping { emit(.notifyStopping) }
    if let failure = message.failure { emit(.number("notifyErrno", "errno", failure)) }
    // The main process is whom we have started: to take another's word for it would leave ours unkept.
    if let pid = message.mainPid, pid != Int64(main) { emit(.number("notifyMainPid", "pid", pid)) }
    if let span = message.addition { extendStart(by: span) }
    noteWatchdog(message)
    take(message, descriptors)
  }

  private func saidReady() {
    if says.isReloading {
      says.isReloading = false
      emit(.plain("notifyReloaded"))
    }
    if says.isReady { return }
    says.isReady = true
    emit(.notifyReady)
    armWatchdog()
  }

  /// The deadline of its start is the engine's to move. That of a stop can only be moved earlier: what was promised to others holds.
  private func extendStart(by microseconds: Int64) {
    guard own.extensionLimit > .zero, machine.deadline == nil else { return }
    let now = Clock.now
    let limit = says.extensionLimit ?? now + own.extensionLimit
    says.extensionLimit = limit
    emit(.number("notifyExtend", "until", min(now + TimeSpan(nanoseconds: microseconds * 1000), limit).nanoseconds))
  }

  // MARK: - Watchdog

  private func noteWatchdog(_ message: NotifyMessage) {
    if let interval = message.watchdog {
      says.watchdog = interval
      if says.watchdogAt != .never { armWatchdog() }
    }
    if message.isAlive { armWatchdog() }
    if message.hasFailed {
      says.watchdogAt = .never
      emit(.plain("notifyWatchdog"))
    }
  }

  private func armWatchdog() {
    says.watchdogAt = says.watchdog > 0 ? Clock.now + TimeSpan(nanoseconds: says.watchdog * 1000) : .never
  }

  /// Tells once that the program has not said in time that it lives. Who stops has no more to say.
  func watchdogPassed() {
    guard says.watchdogAt != .never, machine.deadline == nil, mainStatus == nil, Clock.now >= says.watchdogAt else { return }
    // What it said may wait unread, when it was us who were late.
    readNotifications()
    guard Clock.now >= says.watchdogAt else { return }
    says.watchdogAt = .never
    emit(.number("watchdog", "microseconds", says.watchdog))
  }

  // MARK: - Descriptors

  private func take(_ message: NotifyMessage, _ descriptors: [Descriptor]) {
    guard message.stores, !message.removes else {
      // BARRIER=1 waits for just this: all before it was taken (sd_notify_barrier(3)).
      for descriptor in descriptors { descriptor.close() }
      if message.removes, store.remove(message.name) > 0 {
        emit(.descriptor("fdRemoved", message.name, count: store.stored.count))
      }
      return
    }
    let name = message.name.isEmpty ? "stored" : message.name
    for descriptor in descriptors {
      let before = store.stored.count
      if !store.add(descriptor, name, isPolled: message.isPolled) {
        emit(.descriptor("fdRefused", name, count: store.stored.count))
      } else if store.stored.count > before {
        emit(.descriptor("fdStored", name, count: store.stored.count))
      }
    }
  }

  /// The other end of what the program has stored is gone.
  func dropStored(at index: Int) {
    let name = store.stored[index].name
    store.remove(at: index)
    name.withView { emit(.descriptor("fdRemoved", $0, count: store.stored.count)) }
  }

  /// Hands over all that is held for others.
  func handOver(to client: ControlClient) { store.handOver { client.send($0, $1) } }
}
