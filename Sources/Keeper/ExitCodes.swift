import StopPlan

/// What exit codes become: `143=0`, ranges as in `1-5=0`; what is written last goes before.
struct ExitCodes {
  /// First, last and replacement of each rule, one after another.
  private var rules: [UInt8] = []

  /// Adds rules that commas separate.
  /// - Returns: false when the text is none.
  mutating func add(_ text: ByteView) -> Bool {
    var rest = text
    repeat {
      var rule = rest.take(before: UInt8(ascii: ","))
      var codes = rule.take(before: UInt8(ascii: "="))
      let length = codes.count
      let first = codes.take(before: UInt8(ascii: "-"))
      guard let low = first.number(limit: 255), let replacement = rule.number(limit: 255) else { return false }
      guard let high = first.count == length ? low : codes.number(limit: 255), low <= high else { return false }
      for number in [low, high, replacement] { rules.append(byte: UInt8(truncatingIfNeeded: number)) }
    } while !rest.isEmpty
    return true
  }

  /// Adds a rule for one code.
  mutating func add(_ code: UInt8, becomes replacement: UInt8) {
    for number in [code, code, replacement] { rules.append(byte: number) }
  }

  /// What `code` becomes.
  func apply(to code: UInt8) -> UInt8 {
    var index = rules.count
    while index > 0 {
      index -= 3
      if code >= rules[index], code <= rules[index + 1] { return rules[index + 2] }
    }
    return code
  }
}
