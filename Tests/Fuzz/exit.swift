import StopPlan

@testable import Keeper

// Exit code rules, one --exit a line: the same as a plain table says, for every code.

func check(_ input: [UInt8]) {
  var codes = ExitCodes()
  var table = (0...255).map { UInt8($0) }
  for line in input.parts(separatedBy: "\n") {
    let isRead = line.withExactView { codes.add($0) }
    guard let rules = rules(line) else { return require(!isRead, "\(line.text) is refused") }
    require(isRead, "\(line.text) is read")
    for (codes, replacement) in rules {
      for code in codes { table[code] = replacement }
    }
  }
  for code in UInt8.min...UInt8.max { require(codes.apply(to: code) == table[Int(code)], "\(code) becomes \(table[Int(code)])") }
}

/// The rules of one option: `A=C` or `A-B=C` with commas between them; nil when it is none.
private func rules(_ line: [UInt8]) -> [(codes: ClosedRange<Int>, replacement: UInt8)]? {
  var parts = line.parts(separatedBy: ",")
  // A comma at the end is none between rules.
  if parts.count > 1, parts.last == [] { parts.removeLast() }
  var rules: [(codes: ClosedRange<Int>, replacement: UInt8)] = []
  for part in parts {
    let sides = part.parts(separatedBy: "=")
    let ends = sides[0].parts(separatedBy: "-").map { decimal($0, limit: 255) }
    guard sides.count == 2, ends.count <= 2, let replacement = decimal(sides[1], limit: 255) else { return nil }
    guard let first = ends[0], let last = ends[ends.count - 1], first <= last else { return nil }
    rules.append((first...last, UInt8(replacement)))
  }
  return rules
}
