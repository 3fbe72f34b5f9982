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
  public static func split(_ text: ByteView) throws(Problem) -> [[UInt8]] {
    var words: [[UInt8]] = []
    var word: [UInt8] = []
    var isInWord = false
    var quote: UInt8 = 0
    var quotedAt = 0
    var index = 0
    while index < text.count || isInWord {
      let byte = text[index]
      if quote == 0, index == text.count || Characters.isBlank(byte) {
        if isInWord { words.append(word) }
        word = []
        isInWord = false
      } else if quote == 0, byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
        isInWord = true
        quote = byte
        quotedAt = index
      } else if index == text.count {
        throw .openQuote(position: quotedAt)
      } else if quote != 0, byte == quote {
        quote = 0
      } else {
        isInWord = true
        if byte == UInt8(ascii: "\\"), escapes(text[index + 1], in: quote) {
          index += 1
          guard index < text.count else { throw .trailingBackslash(position: index - 1) }
        }
        word.append(byte: text[index])
      }
      index += 1
    }
    return words
  }

  /// Whether a backslash before `byte` means that byte: always outside quotes, never inside `'…'`.
  private static func escapes(_ byte: UInt8, in quote: UInt8) -> Bool {
    if quote == 0 { return true }
    return quote == UInt8(ascii: "\"") && ("\"\\`$" as ByteView).offset(of: byte) < 4
  }

  /// Appends a word so that `split` reads it back: bare when it needs no quotes, else in single quotes.
  @inline(never)
  public static func append(word: [UInt8], to text: inout [UInt8]) {
    var plain = !word.isEmpty
    for byte in word where !isPlain(byte) { plain = false }
    if plain { return text.append(bytes: word) }
    text.append(text: "'")
    for byte in word {
      if byte == UInt8(ascii: "'") { text.append(text: "'\\'") }
      text.append(byte: byte)
    }
    text.append(text: "'")
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    Characters.isDigit(byte) || Characters.isLetter(byte) || ("-_./,:=@%+" as ByteView).offset(of: byte) < 10
  }
}

#if !hasFeature(Embedded)
  extension Words {
    /// The words of `text`, each as its bytes.
    public static func split(_ text: ArraySlice<UInt8>) throws(Problem) -> [[UInt8]] {
      try text.withView { (view) throws(Problem) in try split(view) }
    }
  }
#endif
