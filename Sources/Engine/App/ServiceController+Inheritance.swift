import Rollout

/// What replicas have stored with their keepers (FDSTORE=1), on its way to those that take their places.
extension ServiceController {
  /// Decides whose store a replica is given that is to start.
  func appointHeir(_ number: ReplicaNumber, of revision: Int) {
    givers[number] = inheritance.starting(number, of: revision, among: rollout.unordered)
  }

  /// What a replica is given that starts now: copies, which the one that lives has too.
  func estate(for number: ReplicaNumber) async -> Estate? {
    guard let giver = givers.removeValue(forKey: number) else { return nil }
    var estate = estates.removeValue(forKey: giver)
    if estate == nil, let process = ledger.processes[giver] { estate = await process.storedNow() }
    guard let estate, !estate.entries.isEmpty else { return nil }
    let names = estate.entries.map(\.name).joined(separator: ", ")
    note(.normal, "Inherited", "\(name(number)) is given what \(name(giver)) has stored: \(names)", name(number))
    write()
    return estate
  }

  /// A replica has ended, and `Rollout` is about to be told.
  func settleEstate(of number: ReplicaNumber, _ estate: Estate?) {
    if let giver = givers.removeValue(forKey: number), estates[giver] != nil { inheritance.giveBack(giver) }
    if inheritance.ended(number) || givers.values.contains(number) { estates[number] = estate }
    let isReplaced = rollout.replica(number).map { $0.phase != .stopping } ?? false
    dropEstates(missing: rollout.missing + (isReplaced ? 1 : 0))
  }

  /// Closes what nobody is going to take.
  func dropEstates(missing: Int) { for number in inheritance.keep(for: missing) { estates[number] = nil } }
}
