extension TimeSpan {
  /// The longest length that can be written: ten years. More is a mistake, and a bound keeps every sum of lengths exact.
  public static let longest = TimeSpan.seconds(10 * 365 * 24 * 3600)

  /// Reads a length: a number of seconds (`25`, `0.5`) or numbers with units `us ms s m h d`, which may follow one another (`1m30s`, `500ms`).
  ///
  /// - Returns: nil when it is not a length, is negative, or is longer than `longest`.
  public init?(text: ArraySlice<UInt8>) {
    var rest = text
    var total = TimeSpan.zero
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      guard let (part, after) = Self.part(of: rest, alone: rest.count == text.count) else { return nil }
      total = total + part
      rest = after
    }
    guard total <= Self.longest else { return nil }
    self = total
  }

  /// One number with its unit; a missing unit means seconds and is allowed only when the number stands alone.
  private static func part(of text: ArraySlice<UInt8>, alone: Bool) -> (TimeSpan, ArraySlice<UInt8>)? {
    let whole = text.prefix(while: Characters.isDigit)
    var rest = text.dropFirst(whole.count)
    var fraction = rest.prefix(0)
    if rest.first == UInt8(ascii: ".") {
      fraction = rest.dropFirst().prefix(while: Characters.isDigit)
      rest = rest.dropFirst(1 + fraction.count)
    }
    guard !whole.isEmpty || !fraction.isEmpty, fraction.count <= 9 else { return nil }
    let unitName = rest.prefix(while: Characters.isLetter)
    rest = rest.dropFirst(unitName.count)
    let unit: Int64
    if unitName.isEmpty {
      guard alone, rest.isEmpty else { return nil }
      unit = 1_000_000_000
    } else {
      guard let named = Self.unit(named: unitName) else { return nil }
      unit = named
    }
    guard let count = whole.isEmpty ? 0 : Characters.number(whole, limit: longest.nanoseconds / unit) else { return nil }
    var nanoseconds = count * unit
    var scale = unit
    for digit in fraction {
      scale /= 10
      nanoseconds += Int64(digit - UInt8(ascii: "0")) * scale
    }
    return (TimeSpan(nanoseconds: nanoseconds), rest)
  }

  private static func unit(named name: ArraySlice<UInt8>) -> Int64? {
    if Characters.equal(name, "us") { return 1_000 }
    if Characters.equal(name, "ms") { return 1_000_000 }
    if Characters.equal(name, "s") { return 1_000_000_000 }
    if Characters.equal(name, "m") { return 60_000_000_000 }
    if Characters.equal(name, "h") { return 3_600_000_000_000 }
    if Characters.equal(name, "d") { return 86_400_000_000_000 }
    return nil
  }

  /// Appends the length in seconds, as a plan writes it: `25`, `0.5`.
  public func append(to text: inout [UInt8]) {
    text.append(number: nanoseconds / 1_000_000_000)
    var rest = (nanoseconds % 1_000_000_000).magnitude
    guard rest > 0 else { return }
    text.append(UInt8(ascii: "."))
    var scale: UInt64 = 100_000_000
    while rest > 0 {
      text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest / scale))
      rest %= scale
      scale /= 10
    }
  }
}

#if !hasFeature(Embedded)
  extension TimeSpan: CustomStringConvertible {
    /// Reads a length from a string; see `init(text:)`.
    public init?(_ string: some StringProtocol) {
      self.init(text: Array(string.utf8)[...])
    }

    /// The length in seconds with its unit, as in `25 s`, `0.5 s`.
    public var description: String {
      var text: [UInt8] = []
      append(to: &text)
      return String(decoding: text, as: UTF8.self) + " s"
    }
  }
#endif
