/// Splits a command line into words as a shell splits them, without being a shell: blanks separate, `'…'` is literal,
/// `"…"` takes `\"`, `\\`, `` \` `` and `\$` as escapes, a backslash outside quotes takes the next byte literally
/// (POSIX Shell Command Language, 2.2 Quoting). Nothing is expanded.
public enum Words {
  /// Why a text could not be split.
  public enum Problem: Error, Equatable, Sendable {
    /// A quote that is not closed; `position` is the offset of the quote in bytes.
    case openQuote(position: Int)
    /// A backslash at the end of the text.
    case trailingBackslash(position: Int)
  }

  /// The words of `text`, each as its bytes.
  public static func split(_ text: ArraySlice<UInt8>) throws(Problem) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var index = text.startIndex
    while true {
      while index < text.endIndex, Characters.isBlank(text[index]) { index += 1 }
      if index >= text.endIndex { return words }
      words.append(try word(text, from: &index))
    }
  }

  private static func word(_ text: ArraySlice<UInt8>, from index: inout Int) throws(Problem) -> [UInt8] {
    var word: [UInt8] = []
    while index < text.endIndex, !Characters.isBlank(text[index]) {
      let byte = text[index]
      let position = index - text.startIndex
      index += 1
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\""):
        try quoted(text, from: &index, quote: byte, position: position, into: &word)
      case UInt8(ascii: "\\"):
        guard index < text.endIndex else { throw .trailingBackslash(position: position) }
        word.append(text[index])
        index += 1
      default:
        word.append(byte)
      }
    }
    return word
  }

  private static func quoted(
    _ text: ArraySlice<UInt8>, from index: inout Int, quote: UInt8, position: Int, into word: inout [UInt8]
  ) throws(Problem) {
    while index < text.endIndex {
      let byte = text[index]
      index += 1
      if byte == quote { return }
      if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), index < text.endIndex, isEscapable(text[index]) {
        word.append(text[index])
        index += 1
      } else {
        word.append(byte)
      }
    }
    throw .openQuote(position: position)
  }

  private static func isEscapable(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "`") || byte == UInt8(ascii: "$")
  }

  /// Appends a word so that `split` reads it back: bare when it needs no quotes, else in single quotes.
  public static func append(word: [UInt8], to text: inout [UInt8]) {
    var plain = !word.isEmpty
    for byte in word where !isPlain(byte) { plain = false }
    if plain {
      text.append(contentsOf: word)
      return
    }
    text.append(UInt8(ascii: "'"))
    for byte in word {
      if byte == UInt8(ascii: "'") { text.append(text: "'\\''") } else { text.append(byte) }
    }
    text.append(UInt8(ascii: "'"))
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    if Characters.isDigit(byte) || Characters.isLetter(byte) { return true }
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: ","), UInt8(ascii: ":"),
      UInt8(ascii: "="), UInt8(ascii: "@"), UInt8(ascii: "%"), UInt8(ascii: "+"):
      return true
    default: return false
    }
  }
}
