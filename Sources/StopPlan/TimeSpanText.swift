extension TimeSpan {
  /// The longest length that can be written: ten years. More is a mistake, and a bound keeps every sum of lengths exact.
  public static let longest = TimeSpan.seconds(10 * 365 * 24 * 3600)

  /// Reads a length: a number of seconds (`25`, `0.5`) or numbers with units `us ms s m h d`, which may follow one another (`1m30s`, `500ms`).
  ///
  /// - Returns: nil when it is not a length, is negative, or is longer than `longest`.
  public init?(text: ByteView) {
    var rest = text
    var total: Int64 = 0
    repeat {
      guard let part = Self.takePart(of: &rest, alone: rest.count == text.count) else { return nil }
      total += part
      guard total <= Self.longest.nanoseconds else { return nil }
    } while !rest.isEmpty
    self.init(nanoseconds: total)
  }

  /// One number with its unit, in nanoseconds; a missing unit means seconds and is allowed only when the number stands alone.
  private static func takePart(of rest: inout ByteView, alone: Bool) -> Int64? {
    let whole = rest.take(while: Characters.isDigit)
    var fraction: ByteView = ""
    if rest.take(".") { fraction = rest.take(while: Characters.isDigit) }
    guard whole.count + fraction.count > 0, fraction.count <= 9 else { return nil }
    let name = rest.take(while: Characters.isLetter)
    guard var scale = unit(named: name), !name.isEmpty || (alone && rest.isEmpty) else { return nil }
    guard let count = whole.isEmpty ? 0 : whole.number(limit: longest.nanoseconds / scale) else { return nil }
    var nanoseconds = count * scale
    for index in 0..<fraction.count {
      scale /= 10
      nanoseconds += Int64(fraction[index] - UInt8(ascii: "0")) * scale
    }
    return nanoseconds
  }

  private static func unit(named name: ByteView) -> Int64? {
    if name.isEmpty { return 1_000_000_000 }
    return switch name.position(among: "us ms s m h d") {
    case 0: 1_000
    case 1: 1_000_000
    case 2: 1_000_000_000
    case 3: 60_000_000_000
    case 4: 3_600_000_000_000
    case 5: 86_400_000_000_000
    default: nil
    }
  }

  /// Appends the length in seconds, as a plan writes it: `25`, `0.5`.
  @inline(never)
  public func append(to text: inout [UInt8]) {
    text.append(number: nanoseconds / 1_000_000_000)
    var rest = (nanoseconds % 1_000_000_000).magnitude
    guard rest > 0 else { return }
    var digits = 9
    while rest % 10 == 0 {
      rest /= 10
      digits -= 1
    }
    text.append(text: ".")
    text.append(number: rest, digits: digits)
  }
}

#if !hasFeature(Embedded)
  extension TimeSpan: CustomStringConvertible {
    /// Reads a length from a string; see `init(text:)`.
    public init?(_ string: some StringProtocol) { self.init(text: Array(string.utf8)[...]) }

    /// Reads a length; see `init(text:)`.
    public init?(text: ArraySlice<UInt8>) {
      guard let span = text.withView({ TimeSpan(text: $0) }) else { return nil }
      self = span
    }

    /// The length in seconds with its unit, as in `25 s`, `0.5 s`.
    public var description: String {
      var text: [UInt8] = []
      append(to: &text)
      return String(decoding: text, as: UTF8.self) + " s"
    }
  }
#endif
