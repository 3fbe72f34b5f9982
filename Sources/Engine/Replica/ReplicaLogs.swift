import Foundation

/// Where the output of one replica is.
public struct ReplicaLogs: Sendable {
  /// The replica's name.
  public let replica: String
  /// Whether something of it lives.
  public let isLiving: Bool
  /// The directory its logs are in.
  public let directory: String

  /// All that are kept: of what lives, and of the last that have ended.
  public static func all(_ paths: EnginePaths) -> [ReplicaLogs] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: paths.run + "/r")) ?? []
    return names.sorted().map { name in
      let directory = ReplicaDirectory(paths.replica(name))
      return ReplicaLogs(replica: name, isLiving: directory.isHeld, directory: directory.path)
    }
  }

  /// The files of a log, the oldest first: rotation gives them numbers that grow with age.
  ///
  /// - Parameter name: `log` for what the program wrote, `hooks.log` for what its hooks did.
  public func files(_ name: String) -> [String] {
    let numbered = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).compactMap { file -> (Int, String)? in
      guard file.hasPrefix(name + "."), let number = Int(file.dropFirst(name.count + 1)) else { return nil }
      return (number, file)
    }
    return numbered.sorted { $0.0 > $1.0 }.map { directory + "/" + $0.1 } + [directory + "/" + name]
  }

  /// The last lines of a log, the oldest first, without their times: at most that many, each of at most 200 bytes, none of them from before the
  /// last 16 KiB. What would move a terminal's cursor is left out.
  /// - Parameter redact: takes secrets out of a line, before anything is cut off it.
  func lastLines(_ name: String, _ count: Int, _ redact: (String) -> String) -> [String] {
    var lines: [String] = []
    for file in files(name).suffix(2) {
      guard let handle = FileHandle(forReadingAtPath: file) else { continue }
      defer { try? handle.close() }
      let end = (try? handle.seekToEnd()) ?? 0
      try? handle.seek(toOffset: end > Self.tail ? end - Self.tail : 0)
      let text = String(decoding: (try? handle.read(upToCount: Int(Self.tail))) ?? Data(), as: UTF8.self)
      // The first line of a tail lacks its beginning.
      lines += text.split(separator: "\n").dropFirst(end > Self.tail ? 1 : 0).compactMap { line in
        let fields = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        return fields.count == 4 ? Self.shown(redact(String(fields[3]))) : nil
      }
    }
    return lines.suffix(count)
  }

  private static let tail: UInt64 = 16_384
  private static let longestLine = 200

  private static func shown(_ line: String) -> String {
    let bytes = line.utf8.filter { $0 >= 0x20 && $0 != 0x7f }
    return String(decoding: bytes.prefix(longestLine), as: UTF8.self) + (bytes.count > longestLine ? "…" : "")
  }

  /// What the hooks of an app's replicas and sidecars wrote last; of the last replicas that have any.
  static func hooks(of app: String, _ context: EngineContext) -> [AppDescription.HookLog] {
    let own = all(context.paths).compactMap { log -> (ReplicaRecord, ReplicaLogs)? in
      guard let record = ReplicaDirectory(log.directory).record(), record.app == app, record.role != .proxy else { return nil }
      return (record, log)
    }
    let written = own.sorted { $0.0.startedAt < $1.0.startedAt }.compactMap { record, log -> AppDescription.HookLog? in
      let lines = log.lastLines("hooks.log", 5) { context.secrets.redacted($0, of: app) }
      return lines.isEmpty ? nil : AppDescription.HookLog(replica: record.name, lines: lines)
    }
    return written.suffix(10)
  }

  /// Whether a user who names `wanted` means that replica: by its own name, or by its app's. A proxy is named in full.
  public static func isMeant(_ replica: String, by wanted: String?) -> Bool {
    guard let wanted, replica != wanted else { return true }
    return replica.hasPrefix(wanted + "-") && replica.dropFirst(wanted.count + 1).allSatisfy(\.isNumber)
  }
}
