import StopPlan

/// What the program stores with its keeper (FDSTORE=1).
extension ReplicaProcess {
  /// Sees to it that what the program has stored at its end is not lost with its keeper.
  func takeCustody() {
    guard custody == nil, link != nil, app.notify.store > 0 else { return }
    custody = Custody.begin(directory.socket)
  }

  /// Takes what has come by the connection that was there for it and is over. A keeper that ends may accept a last connection of ours, so that it
  /// looks as if it had become another one.
  func endCustody() async {
    guard let custody else { return }
    self.custody = nil
    guard let left = await custody.untilEnded() else { return }
    given = nil
    if !left.entries.isEmpty { estate = left }
  }

  /// Its keeper lives on and has what is stored; another connection is made for that. This one may be with the keeper, or never be.
  func dropCustody() async {
    let custody = custody
    self.custody = nil
    isReconnected = false
    await custody?.drop()
  }

  /// What the program has stored by now; nil when that is nothing.
  func storedNow() async -> Estate? { custody == nil ? nil : await KeeperListeners.estate(directory.socket) }

  /// What it leaves to another, once it has ended.
  var legacy: Estate? { estate ?? given }
}
