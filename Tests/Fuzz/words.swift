import Glibc
import StopPlan

// Splitting a command line: no byte is made up, what is written reads back, and glibc's own splitting agrees where it can be asked.

func check(_ input: [UInt8]) {
  let result = split(input)
  switch result {
  case .success(let words):
    require(words.reduce(0) { $0 + $1.count } <= input.count, "words hold no more bytes than the text")
    require(words.count <= input.count, "a word costs at least a byte")
    var rest = input[...]
    for byte in words.joined() {
      guard let found = rest.firstIndex(of: byte) else { return require(false, "byte \(byte) of a word stands in the text, in order") }
      rest = rest[(found + 1)...]
    }
    var written: [UInt8] = []
    for word in words {
      if !written.isEmpty { written.append(UInt8(ascii: " ")) }
      Words.append(word: word, to: &written)
    }
    require(split(written) == .success(words), "\(written.text) reads back")
  case .failure(.openQuote(let position)):
    require(position < input.count && [UInt8(ascii: "'"), UInt8(ascii: "\"")].contains(input[position]), "a quote stands at \(position)")
  case .failure(.trailingBackslash(let position)):
    require(position == input.count - 1 && input[position] == UInt8(ascii: "\\"), "a backslash stands at the end")
  }
  if let expected = expanded(input) {
    switch result {
    case .success(let words):
      require(expected == words, "\(words.map(\.text)) are the words of \(input.text), not \(expected?.map(\.text) ?? [])")
    case .failure: require(expected == nil, "\(input.text) is refused, but has words")
    }
  }
}

private func split(_ text: [UInt8]) -> Result<[[UInt8]], Words.Problem> {
  text.withExactView { text in Result { () throws(Words.Problem) in try Words.split(text) } }
}

/// What wordexp(3) makes of the text: its words, or nil when they are not closed. Asked only where it expands nothing.
private func expanded(_ text: [UInt8]) -> [[UInt8]]?? {
  let known = Array("abcABC019 \t'\"\\-_./,:=%+".utf8)
  guard text.count < 256, text.allSatisfy(known.contains) else { return nil }
  // glibc makes a word of its own of two quotes with nothing between them.
  for (one, next) in zip(text, text.dropFirst()) where one == next && (one == UInt8(ascii: "'") || one == UInt8(ascii: "\"")) { return nil }
  var expansion = wordexp_t()
  let command = text.map { CChar(bitPattern: $0) } + [0]
  guard wordexp(command, &expansion, Int32(WRDE_NOCMD)) == 0 else { return .some(nil) }
  defer { wordfree(&expansion) }
  return (0..<Int(expansion.we_wordc)).map { index in
    guard let word = expansion.we_wordv[index] else { return [] }
    return ByteView(word).bytes
  }
}
