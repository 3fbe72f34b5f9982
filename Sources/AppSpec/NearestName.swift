/// The name among `known` that `written` was probably meant to be, or nil when none is near.
///
/// Names that differ only in case, dashes and underscores are the same name (`pre_stop`, `preStop`); else the optimal string alignment distance
/// (insertions, deletions, replacements, swaps of neighbours) may be a third of the longer name's length, at least 1. The first of equals wins.
func nearestName(to written: String, among known: [String]) -> String? {
  guard written.utf8.count <= 64 else { return nil }
  let bare = bareName(written)
  var best: (name: String, distance: Int)?
  for name in known {
    let candidate = bareName(name)
    let distance = alignmentDistance(bare, candidate)
    guard distance <= max(1, max(bare.count, candidate.count) / 3), distance < candidate.count else { continue }
    if distance < best?.distance ?? .max { best = (name, distance) }
  }
  return best?.name
}

private func bareName(_ name: String) -> [UInt8] {
  name.lowercased().utf8.filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }
}

private func alignmentDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...right.count)
  for (row, byte) in left.enumerated() {
    var current = [row + 1]
    for (column, other) in right.enumerated() {
      var cost = min(last[column] + (byte == other ? 0 : 1), last[column + 1] + 1, current[column] + 1)
      if row > 0, column > 0, byte == right[column - 1], left[row - 1] == other {
        cost = min(cost, beforeLast[column - 1] + 1)
      }
      current.append(cost)
    }
    (beforeLast, last) = (last, current)
  }
  return last[right.count]
}
