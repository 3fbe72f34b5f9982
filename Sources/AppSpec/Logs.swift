/// What becomes of a replica's output.
public struct Logs: Equatable, Codable, Sendable {
  /// What happens when the disk or a reader cannot keep up.
  public enum Full: String, CaseIterable, Codable, Sendable {
    /// The replica waits: its writes block, and no line is lost. The default.
    case block
    /// The replica goes on: lines are dropped, and their number is written into the log.
    case drop
  }

  /// How many bytes a file may have before the next one is begun, 4 KiB…1 TiB; 0 never begins another; 10 MiB unless written.
  public var size: Int
  /// How many files are kept beside the one that is written to, 0…100; 5 unless written.
  public var keep: Int
  /// What happens when the disk or a reader cannot keep up.
  public var full: Full

  /// What becomes of a replica's output.
  public init(size: Int = 10 << 20, keep: Int = 5, full: Full = .block) {
    self.size = size
    self.keep = keep
    self.full = full
  }

  /// Reads what is there; the rest has its defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    size = try container.value(.size, or: size)
    keep = try container.value(.keep, or: keep)
    full = try container.value(.full, or: full)
  }
}

extension AppReader {
  /// Reads `logs`.
  mutating func readLogs(_ field: Field?) -> Logs {
    var logs = Logs()
    let expected = "a mapping such as { size: 10MiB, keep: 5 }"
    guard let field, let fields = reader.fields(field, expected: expected, LogsKey.self) else { return logs }
    if let size = fields[.size].flatMap({ reader.size($0, in: 4096...(1 << 40), zero: "for no rotation") }) { logs.size = size }
    if let keep = fields[.keep].flatMap({ reader.whole($0, in: 0...100) }) { logs.keep = keep }
    if let full = fields[.full].flatMap({ reader.word($0, Logs.Full.self) }) { logs.full = full }
    return logs
  }
}
