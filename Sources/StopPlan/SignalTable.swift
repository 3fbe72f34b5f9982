/// The data behind `Signal`: names and default actions, from signal(7).
///
/// Fixed-width text instead of arrays of strings: it costs nothing at start and no heap in the Embedded binary.
enum SignalTable {
  private static let width = 6
  private static let names: StaticString =
    """
    HUP   INT   QUIT  ILL   TRAP  ABRT  BUS   FPE   KILL  USR1  SEGV  USR2  PIPE  ALRM  TERM  STKFLT\
    CHLD  CONT  STOP  TSTP  TTIN  TTOU  URG   XCPU  XFSZ  VTALRMPROF  WINCH IO    PWR   SYS   
    """
  /// T terminate, C core, I ignore, S stop, R continue.
  private static let actions: StaticString = "TTCCCCCCTTCTTTTTIRSSSSICCTTITTC"
  private static let aliases: StaticString = "IOT   CLD   POLL  UNUSED"
  private static let aliasNumbers: [Int32] = [6, 17, 29, 31]
  static func action(_ number: Int32) -> UInt8 { byte(actions, Int(number) - 1) }

  /// Appends the bare name ("TERM") of a signal of 1…31.
  static func appendName(of number: Int32, to text: inout [UInt8]) {
    let start = (Int(number) - 1) * width
    for offset in 0..<width {
      let character = byte(names, start + offset)
      if character == UInt8(ascii: " ") { break }
      text.append(character)
    }
  }

  /// The number of a bare, upper-case name of 1…31, or nil.
  static func number(named name: ArraySlice<UInt8>) -> Int32? {
    for index in 0..<31 where matches(names, record: index, name) { return Int32(index + 1) }
    for index in 0..<aliasNumbers.count where matches(aliases, record: index, name) { return aliasNumbers[index] }
    return nil
  }

  private static func matches(_ table: StaticString, record: Int, _ name: ArraySlice<UInt8>) -> Bool {
    guard !name.isEmpty, name.count <= width, name.last != UInt8(ascii: " ") else { return false }
    for offset in 0..<width {
      let expected = byte(table, record * width + offset)
      let index = name.startIndex + offset
      let actual = index < name.endIndex ? name[index] : UInt8(ascii: " ")
      if expected != actual { return false }
    }
    return true
  }

  static func byte(_ table: StaticString, _ index: Int) -> UInt8 {
    index >= 0 && index < table.utf8CodeUnitCount ? table.utf8Start[index] : UInt8(ascii: " ")
  }
}
