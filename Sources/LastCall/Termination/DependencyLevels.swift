/// The order in which participants of one phase are told: who needs others before those it needs.
enum DependencyLevels {
  /// - Parameter participants: by ID; names that are not among them are of no concern here.
  /// - Returns: those of one level are told at once. Who is part of a circle is in the last level.
  static func of(_ participants: [(id: Participant.ID, participant: Participant)]) -> [[Participant.ID]] {
    var left = participants
    var levels: [[Participant.ID]] = []
    while !left.isEmpty {
      let needed = left.reduce(into: Set<String>()) { $0.formUnion($1.participant.dependsOn) }
      var level = left.filter { !needed.contains($0.participant.name) }
      if level.isEmpty { level = left }
      levels.append(level.map(\.id))
      let taken = Set(level.map(\.id))
      left.removeAll { taken.contains($0.id) }
    }
    return levels
  }

  /// - Returns: the names of those that need each other in a circle, or stand between two circles, in order.
  static func circle(among participants: [Participant]) -> [String] {
    var left = participants
    while true {
      let names = Set(left.map(\.name))
      let needed = left.reduce(into: Set<String>()) { $0.formUnion($1.dependsOn) }
      let inside = left.filter { needed.contains($0.name) && $0.dependsOn.contains { names.contains($0) } }
      if inside.count == left.count { return inside.map(\.name) }
      left = inside
    }
  }
}
