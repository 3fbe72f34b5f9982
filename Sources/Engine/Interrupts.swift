import StopPlan

/// Tells a second INT from a copy of the first: wrappers that got the same Ctrl-C as we pass it on at once.
struct Interrupts {
  /// A person needs longer than that for a second one.
  private static let copyWindow = TimeSpan.milliseconds(500)

  private var last = Instant(nanoseconds: 0)

  /// An INT has come.
  /// - Parameter fromTerminal: whether the kernel's terminal driver sent it, which sends no copies.
  /// - Returns: whether it is one of its own.
  mutating func came(fromTerminal: Bool, at now: Instant) -> Bool {
    guard fromTerminal || now - last >= Self.copyWindow else { return false }
    last = now
    return true
  }
}
