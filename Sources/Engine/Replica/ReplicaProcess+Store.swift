import StopPlan

/// What the program stores with its keeper (FDSTORE=1).
extension ReplicaProcess {
  /// Sees to it that what the program has stored at its end is not lost with its keeper.
  func takeCustody() {
    guard custody == nil, link != nil, app.notify.store > 0 else { return }
    custody = Custody.begin(directory.socket)
  }

  /// Takes what has come by the connection that was there for it and is over; nothing when the keeper has become another one. A keeper that ends
  /// may accept a last connection, so that it looks as if it had.
  func endCustody() async {
    guard let custody else { return }
    self.custody = nil
    guard let left = await custody.untilEnded() else { return }
    given = nil
    if !left.entries.isEmpty { estate = left }
  }

  /// What the program has stored by now; nil when that is nothing.
  func storedNow() async -> Estate? { custody == nil ? nil : await KeeperListeners.estate(directory.socket) }

  /// What it leaves to another, once it has ended.
  var legacy: Estate? { estate ?? given }
}
