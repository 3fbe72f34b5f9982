import Foundation
import Testing

/// Every piece of Swift in the articles is compiled: it stands in `Tests/DocExamples`, word for word but for its imports and its indentation.
@Suite struct DocumentationTests {
  private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  private static var articles: [URL] {
    let sources = FileManager.default.enumerator(at: root.appendingPathComponent("Sources"), includingPropertiesForKeys: nil)
    return (sources?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "md" } + [root.appendingPathComponent("README.md")]
  }

  private static func blocks(of text: String) -> [String] {
    var blocks: [String] = []
    var block: [Substring]?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if block == nil, line == "```swift" {
        block = []
      } else if line == "```", let found = block {
        blocks.append(found.joined(separator: "\n"))
        block = nil
      } else {
        block?.append(line)
      }
    }
    return blocks
  }

  /// Without what every line of it is indented by.
  private static func unindented(_ text: some StringProtocol) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }.joined(separator: "\n")
  }

  @Test func everyExampleIsCompiled() throws {
    let folder = Self.root.appendingPathComponent("Tests/DocExamples")
    let examples = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .map { Self.unindented(try String(contentsOf: $0, encoding: .utf8)) }
    var count = 0
    for article in Self.articles {
      for block in Self.blocks(of: try String(contentsOf: article, encoding: .utf8)) where !block.contains(".package(") {
        count += 1
        let body = block.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("import ") }
        let wanted = Self.unindented(body.joined(separator: "\n").trimmingCharacters(in: .newlines))
        #expect(examples.contains { $0.contains(wanted) }, "\(article.lastPathComponent): not in Tests/DocExamples:\n\(block)")
      }
    }
    #expect(count >= 10, "the articles were not found")
  }
}
