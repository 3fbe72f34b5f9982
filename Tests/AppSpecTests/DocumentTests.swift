import Foundation
import Testing

@testable import AppSpec

/// The page about the file has every key, and its examples are right.
@Suite struct DocumentTests {
  private let text: String

  init() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/file.md")
    text = try String(contentsOf: file, encoding: .utf8)
  }

  @Test func everyKeyIsDescribed() {
    func expect<Key: FieldKey>(_: Key.Type, in parent: String) {
      for key in Key.allCases {
        let path = parent.isEmpty ? key.rawValue : "\(parent).\(key.rawValue)"
        #expect(
          text.contains("`\(path)`") || text.contains("`\(path)."), "\(path)")
      }
    }
    expect(FileKey.self, in: "")
    expect(AppKey.self, in: "")
    expect(ListenKey.self, in: "listen")
    expect(ReadyKey.self, in: "ready")
    expect(LiveKey.self, in: "live")
    expect(StopKey.self, in: "stop")
    expect(PreStopKey.self, in: "stop.preStop")
    expect(SidecarKey.self, in: "")
    expect(EnvFileKey.self, in: "")
    expect(UpdateKey.self, in: "update")
    expect(RestartKey.self, in: "restart")
    expect(LogsKey.self, in: "logs")
    expect(NotifyKey.self, in: "notify")
    expect(LimitsKey.self, in: "limits")
    for key in ReloadKey.allCases { #expect(text.contains("`\(key.rawValue)`")) }
  }

  @Test func theExamplesAreRight() throws {
    let blocks = text.components(separatedBy: "```")
    for block in blocks where block.hasPrefix("yaml\n") { #expect(mistakes(String(block.dropFirst(5))).isEmpty) }
    let files = blocks.filter { $0.hasPrefix("sh\n") }.map { String($0.dropFirst(3)) }
    #expect(
      try files.map { try EnvFile.entries(of: $0).map(\.value) } == [["info", "two words\n", "as it is, $ and \\ too,\nover two lines"]])
  }
}
