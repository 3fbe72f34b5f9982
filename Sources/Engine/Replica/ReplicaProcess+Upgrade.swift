import Linux
import StopPlan

/// A keeper of another version than the one that is installed.
extension ReplicaProcess {
  /// Takes in which version has greeted us, and what that means.
  func know(_ message: KeeperMessage) async {
    let isNews = upgrade.greeted(protocol: message.protocol, version: message.version)
    await upgraded()
    if isNews {
      await report(
        .warning, "KeeperNewer",
        """
        the keeper of \(name) speaks protocol \(message.protocol ?? 0), this lastcall no newer than \(KeeperUpgrade.protocolVersion): it is \
        followed and can be stopped, and nothing else is asked of it; run the lastcall that it is of
        """)
    }
    await bringKeeperUpToDate()
  }

  /// Has the keeper become the lastcall-keeper that is installed now, if it is another one; its program does not notice.
  func bringKeeperUpToDate() async {
    // What ends anyway ends as it is, and without its directory the keeper could not be found again.
    guard let link, let identity, hasGreeted, main > 0, request == nil, !isOver, directory.hasSocket else { return }
    guard upgrade.next(running: FileIdentity("/proc/\(identity.pid)/exe"), installed: FileIdentity(context.keeperBinary)) else { return }
    link.upgrade(to: context.keeperBinary)
  }

  /// It has become another one, if it was asked to.
  private func upgraded() async {
    guard let before = upgrade.before, let identity else { return }
    let hasBecome = FileIdentity("/proc/\(identity.pid)/exe") == FileIdentity(context.keeperBinary)
    upgradeEnded()
    guard hasBecome else { return }
    let what =
      upgrade.version == before ? "another build of lastcall-keeper \(before)" : "lastcall-keeper \(upgrade.version), was \(before)"
    await report(.normal, "KeeperUpgraded", "the keeper of \(name) is now \(what); its program goes on")
  }

  /// It has not done what it was asked to.
  func refused(_ error: String?) async {
    guard let before = upgrade.before else { return }
    upgradeEnded()
    await report(
      .warning, "KeeperNotUpgraded",
      """
      the keeper of \(name) goes on as lastcall-keeper \(before) and does not become \(context.keeperBinary): \(error ?? "it says not why"); \
      lastcall restart \(owner) gives its successor the new one
      """)
  }

  /// Waits until the outcome of an upgrade is known; what is sent meanwhile would be lost with the connection.
  func untilUpgraded() async {
    while upgrade.before != nil { await withCheckedContinuation { upgradeWaiters.append($0) } }
  }

  /// Whether the keeper can be told more than to stop.
  func isTellable() async -> Bool {
    await untilUpgraded()
    return !upgrade.isNewer
  }

  func upgradeEnded() {
    upgrade.answered()
    for waiter in upgradeWaiters { waiter.resume() }
    upgradeWaiters = []
  }
}
