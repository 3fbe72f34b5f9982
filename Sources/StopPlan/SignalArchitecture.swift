#if !hasFeature(Embedded)
  extension Signal {
    /// The families of Linux ABIs that number signals differently (signal(7), "Signal numbering for standard signals").
    public enum Architecture: CaseIterable, Sendable {
      /// x86, Arm, RISC-V, POWER, s390 and most others; the numbers `Signal` itself uses.
      case generic
      /// Alpha and SPARC.
      case alphaSparc
      /// MIPS.
      case mips
      /// PA-RISC.
      case parisc
    }

    /// The signal's number on an architecture, or nil where it does not exist (STKFLT). Real-time signals keep their number.
    public func number(on architecture: Architecture) -> Int32? {
      guard number <= 31 else { return number }
      let table: [Int32]
      switch architecture {
      case .generic: return number
      case .alphaSparc: table = Self.alphaSparc
      case .mips: table = Self.mips
      case .parisc: table = Self.parisc
      }
      let value = table[Int(number) - 1]
      return value == 0 ? nil : value
    }

    private static let alphaSparc: [Int32] = [
      1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, 0, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23, 29, 12,
    ]
    private static let mips: [Int32] = [
      1, 2, 3, 4, 5, 6, 10, 8, 9, 16, 11, 17, 13, 14, 15, 0, 18, 25, 23, 24, 26, 27, 21, 30, 31, 28, 29, 20, 22, 19, 12,
    ]
    private static let parisc: [Int32] = [
      1, 2, 3, 4, 5, 6, 10, 8, 9, 16, 11, 17, 13, 14, 15, 7, 18, 26, 24, 25, 27, 28, 29, 12, 30, 20, 21, 23, 22, 19, 31,
    ]
  }
#endif
