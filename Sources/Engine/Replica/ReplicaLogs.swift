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

  /// Whether a user who names `wanted` means that replica: by its own name, or by its app's. A proxy is named in full.
  public static func isMeant(_ replica: String, by wanted: String?) -> Bool {
    guard let wanted, replica != wanted else { return true }
    return replica.hasPrefix(wanted + "-") && replica.dropFirst(wanted.count + 1).allSatisfy(\.isNumber)
  }
}
