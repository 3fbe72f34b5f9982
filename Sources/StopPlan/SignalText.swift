extension Signal {
  /// Reads a signal: a name with or without SIG in any case (`TERM`, `sigterm`), `RTMIN`, `RTMIN+n`, `RTMAX-n`, or a number of 1…64.
  ///
  /// - Parameter text: the ASCII bytes of the name, without blanks around it.
  /// - Returns: nil when it names no signal.
  public init?(text: ArraySlice<UInt8>) {
    if let number = Characters.number(text, limit: 64) {
      self.init(number: Int32(number))
      return
    }
    var name: [UInt8] = []
    guard text.count <= 12 else { return nil }
    for byte in text { name.append(Characters.uppercased(byte)) }
    var bare = name[...]
    if Characters.startsWith(bare, "SIG") { bare = bare.dropFirst(3) }
    if let number = SignalTable.number(named: bare) ?? Self.realTimeNumber(bare) {
      self.init(number: number)
    } else {
      return nil
    }
  }

  private static func realTimeNumber(_ name: ArraySlice<UInt8>) -> Int32? {
    let base: Int32
    let sign: UInt8
    if Characters.startsWith(name, "RTMIN") {
      (base, sign) = (realTimeMinimum, UInt8(ascii: "+"))
    } else if Characters.startsWith(name, "RTMAX") {
      (base, sign) = (realTimeMaximum, UInt8(ascii: "-"))
    } else {
      return nil
    }
    let rest = name.dropFirst(5)
    guard let first = rest.first else { return base }
    guard first == sign, let offset = Characters.number(rest.dropFirst(), limit: 30) else { return nil }
    return sign == UInt8(ascii: "+") ? base + Int32(offset) : base - Int32(offset)
  }

  /// Appends the signal's name without SIG: `TERM`, `RTMIN+2`; 32 and 33, which the C library keeps for itself, as numbers.
  public func appendName(to text: inout [UInt8]) {
    if number <= 31 {
      SignalTable.appendName(of: number, to: &text)
    } else if number < Self.realTimeMinimum {
      text.append(number: Int64(number))
    } else {
      text.append(text: "RTMIN")
      if number > Self.realTimeMinimum {
        text.append(UInt8(ascii: "+"))
        text.append(number: Int64(number - Self.realTimeMinimum))
      }
    }
  }
}

#if !hasFeature(Embedded)
  extension Signal: CustomStringConvertible {
    /// Reads a signal from a string; see `init(text:)`.
    public init?(_ name: some StringProtocol) {
      self.init(text: Array(name.utf8)[...])
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
