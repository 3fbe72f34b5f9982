extension Signal {
  /// Reads a signal: a name with or without SIG in any case (`TERM`, `sigterm`), `RTMIN`, `RTMIN+n`, `RTMAX-n`, or a number of 1…64.
  ///
  /// - Parameter text: the ASCII bytes of the name, without blanks around it.
  /// - Returns: nil when it names no signal.
  public init?(text: ByteView) {
    var name = text
    if let number = name.number(limit: 64) {
      self.init(number: Int32(number))
      return
    }
    if SignalTable.matches("SIG", name.prefix(3)) { name = name.dropping(3) }
    guard let number = SignalTable.number(named: name) ?? Self.realTimeNumber(name) else { return nil }
    self.init(number: number)
  }

  private static func realTimeNumber(_ name: ByteView) -> Int32? {
    let isMinimum = SignalTable.matches("RTMIN", name.prefix(5))
    guard isMinimum || SignalTable.matches("RTMAX", name.prefix(5)) else { return nil }
    let base = isMinimum ? realTimeMinimum : realTimeMaximum
    let rest = name.dropping(5)
    if rest.isEmpty { return base }
    guard rest[0] == UInt8(ascii: isMinimum ? "+" : "-"), let offset = rest.dropping(1).number(limit: 30) else { return nil }
    return isMinimum ? base + Int32(offset) : base - Int32(offset)
  }

  /// Appends the signal's name without SIG: `TERM`, `RTMIN+2`; 32 and 33, which the C library keeps for itself, as numbers.
  public func appendName(to text: inout [UInt8]) {
    if number <= 31 {
      text.append(text: SignalTable.name(of: number))
      return
    }
    var offset = number
    if number >= Self.realTimeMinimum {
      text.append(text: "RTMIN")
      offset -= Self.realTimeMinimum
      if offset == 0 { return }
      text.append(text: "+")
    }
    text.append(number: Int64(offset))
  }
}

#if !hasFeature(Embedded)
  extension Signal: CustomStringConvertible {
    /// Reads a signal from a string; see `init(text:)`.
    public init?(_ name: some StringProtocol) { self.init(text: Array(name.utf8)[...]) }

    /// Reads a signal; see `init(text:)`.
    public init?(text: ArraySlice<UInt8>) {
      guard let signal = text.withView({ Signal(text: $0) }) else { return nil }
      self = signal
    }

    /// The name without SIG, as in `TERM`.
    public var name: String {
      var text: [UInt8] = []
      appendName(to: &text)
      return String(decoding: text, as: UTF8.self)
    }

    /// The name without SIG.
    public var description: String { name }
  }
#endif
