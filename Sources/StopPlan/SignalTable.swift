/// The data behind `Signal`: names and default actions, from signal(7).
///
/// Fixed-width text instead of arrays of strings: it costs nothing at start and no heap in the Embedded binary.
enum SignalTable {
  private static let width = 6
  private static var names: ByteView {
    """
    HUP   INT   QUIT  ILL   TRAP  ABRT  BUS   FPE   KILL  USR1  SEGV  USR2  PIPE  ALRM  TERM  STKFLT\
    CHLD  CONT  STOP  TSTP  TTIN  TTOU  URG   XCPU  XFSZ  VTALRMPROF  WINCH IO    PWR   SYS   \
    IOT   CLD   POLL  UNUSED
    """
  }
  /// T terminate, C core, I ignore, S stop, R continue.
  private static var actions: ByteView { "TTCCCCCCTTCTTTTTIRSSSSICCTTITTC" }
  /// The numbers of the records after the 31st: other names.
  private static var aliases: ByteView { "\u{6}\u{11}\u{1d}\u{1f}" }

  static func action(_ number: Int32) -> UInt8 { actions[Int(number) - 1] }

  /// The bare name ("TERM") of a signal of 1…31.
  static func name(of number: Int32) -> ByteView { record(Int(number) - 1) }

  /// The number of a bare name of 1…31 in any case, or nil.
  static func number(named name: ByteView) -> Int32? {
    for index in 0..<35 where matches(record(index), name) { return Int32(index < 31 ? UInt8(index + 1) : aliases[index - 31]) }
    return nil
  }

  @inline(never)
  private static func record(_ index: Int) -> ByteView {
    let record = names.dropping(index * width).prefix(width)
    return record.prefix(record.offset(of: UInt8(ascii: " ")))
  }

  /// Whether `name`, in any case, is the upper-case `expected`.
  @inline(never)
  static func matches(_ expected: ByteView, _ name: ByteView) -> Bool {
    guard name.count == expected.count else { return false }
    for index in 0..<name.count where Characters.uppercased(name[index]) != expected[index] { return false }
    return true
  }
}
