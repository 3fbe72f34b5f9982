import NIOCore
import Seeded
import Testing

@testable import Ingress

@Suite struct LineFramerTests {
  @Test func linesOfBoundedLength() {
    let long = String(repeating: "x", count: 11)
    let text = "a\n\n0123456789\n\(long)\nb\n\(long)\(long)\(long)\nc\nrest"
    for seed in 0..<200 {
      var random = SeededRandom(seed: UInt64(seed))
      var framer = LineFramer(limit: 10)
      var lines: [String] = []
      var rest = Substring(text)
      while !rest.isEmpty {
        let count = min(rest.count, Int.random(in: 1...9, using: &random))
        framer.append(ByteBuffer(string: String(rest.prefix(count))))
        rest = rest.dropFirst(count)
        while let line = framer.next() {
          if case .line(let buffer) = line { lines.append(String(buffer: buffer)) } else { lines.append("<too long>") }
        }
      }
      #expect(lines == ["a", "", "0123456789", "<too long>", "b", "<too long>", "c"], "seed \(seed)")
    }
  }
}
