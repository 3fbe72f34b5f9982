import StopPlan

/// Decides which replica is given what another has stored (sd_notify(3), FDSTORE=1).
///
/// One replica inherits from one other at most, and nobody's store goes to two: a replica that starts is given what the one that ended first has
/// left; when none has, what the oldest that it is to replace has stored by now, which goes on meanwhile.
/// What is left waits for as many replicas as are missing. What nobody is going to take is dropped, as systemd drops it when a unit is stopped.
public struct Inheritance: Equatable, Sendable {
  /// Those that have ended and left something that waits, the first to end first.
  public private(set) var left: [ReplicaNumber] = []
  /// Who was given what of those that live, by the giver.
  private var heirs: [ReplicaNumber: ReplicaNumber] = [:]

  /// Nobody has left anything.
  public init() {}

  /// A replica is about to start.
  ///
  /// - Parameters:
  ///   - heir: which.
  ///   - revision: its revision.
  ///   - replicas: all that have not ended.
  /// - Returns: whose store it is given; nil when it begins with nothing.
  public mutating func starting(_ heir: ReplicaNumber, of revision: Int, among replicas: some Collection<Replica>) -> ReplicaNumber? {
    if !left.isEmpty { return left.removeFirst() }
    let replaced = replicas.filter { replica in
      replica.number != heir && heirs[replica.number] == nil && (replica.revision != revision || replica.isUnhealthy)
    }
    guard let giver = replaced.map(\.number).min() else { return nil }
    heirs[giver] = heir
    return giver
  }

  /// Who was to start has not: what it was to be given, of one that has ended, waits for the next.
  public mutating func giveBack(_ giver: ReplicaNumber) { left.insert(giver, at: 0) }

  /// A replica has ended.
  /// - Returns: whether what it has stored waits for the next that starts. If not, it was given before, or the one that it is from has it still.
  public mutating func ended(_ number: ReplicaNumber) -> Bool {
    if heirs.removeValue(forKey: number) != nil { return false }
    if let giver = heirs.first(where: { $0.value == number })?.key {
      heirs[giver] = nil
      return false
    }
    left.append(number)
    return true
  }

  /// So many replicas are missing: only so many can inherit.
  /// - Returns: those whose store nobody is going to take, the first to end first.
  public mutating func keep(for missing: Int) -> [ReplicaNumber] {
    let surplus = max(0, left.count - max(0, missing))
    defer { left.removeFirst(surplus) }
    return Array(left.prefix(surplus))
  }
}
