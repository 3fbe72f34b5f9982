extension Signal {
  /// The signal's number on the platform this runs on; nil where it does not exist.
  var platformNumber: Int32? {
    #if canImport(Darwin)
      Self.darwin[number] ?? nil
    #else
      number
    #endif
  }

  init?(platformNumber: Int32) {
    #if canImport(Darwin)
      guard let entry = Self.darwin.first(where: { $0.value == platformNumber }) else { return nil }
      self.init(number: entry.key)
    #else
      self.init(number: platformNumber)
    #endif
  }

  #if canImport(Darwin)
    /// From the generic ABI's numbers to those of sys/signal.h.
    private static let darwin: [Int32: Int32?] = [
      1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 10, 8: 8, 9: 9, 10: 30, 11: 11, 12: 31, 13: 13, 14: 14, 15: 15, 17: 20, 18: 19, 19: 17,
      20: 18, 21: 21, 22: 22, 23: 16, 24: 24, 25: 25, 26: 26, 27: 27, 28: 28, 29: 23, 31: 12,
    ]
  #endif
}
