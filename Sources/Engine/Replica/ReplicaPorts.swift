import CListener
import Foundation
import Linux
import Synchronization

/// Gives each replica under `via: proxy` a port of its own, outside the range that the kernel gives to clients. One for all apps of an engine: a
/// port that was given is free for everybody else until its program listens.
final class ReplicaPorts: Sendable {
  private let used = Mutex<Set<Int>>([])

  /// A free port.
  func take() throws(EngineError) -> Int {
    let range = Self.range
    for _ in 0..<512 {
      let port = Int.random(in: range)
      guard used.withLock({ $0.insert(port).inserted }) else { continue }
      if let probe = try? ListeningSocket(host: "127.0.0.1", port: port) {
        probe.descriptor.close()
        return port
      }
      giveBack(port)
    }
    throw EngineError("no free port between \(range.lowerBound) and \(range.upperBound) for a replica")
  }

  /// A port that a replica has had since before this engine.
  func keep(_ port: Int) { used.withLock { _ = $0.insert(port) } }

  func giveBack(_ port: Int) { used.withLock { _ = $0.remove(port) } }

  /// Below the range of /proc/sys/net/ipv4/ip_local_port_range when there is room, else above it.
  private static var range: ClosedRange<Int> {
    let text = (try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_local_port_range", encoding: .utf8)) ?? ""
    let bounds = text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
    guard bounds.count == 2 else { return 20_000...32_000 }
    if bounds[0] > 21_000 { return 20_000...(bounds[0] - 1) }
    return bounds[1] < 65_000 ? (bounds[1] + 1)...65_535 : 2_000...max(2_001, bounds[0] - 1)
  }
}

/// Tells whether a port is listened on by a process of a tree, and not by somebody who happened to take it.
enum PortOwner {
  /// Whether some process below `keeper` holds a socket that listens on `port`.
  static func isListening(on port: Int, below keeper: Int32) -> Bool {
    let sockets = Set(listeners(on: port).map { "socket:[\($0)]" })
    guard !sockets.isEmpty else { return false }
    for record in ProcessTree.descendants(of: keeper) {
      let directory = "/proc/\(record.identity.pid)/fd"
      for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: directory + "/" + name) else { continue }
        if sockets.contains(target) { return true }
      }
    }
    return false
  }

  private static func listeners(on port: Int) -> [UInt32] {
    guard let port = UInt16(exactly: port) else { return [] }
    var inodes = [UInt32](repeating: 0, count: 64)
    var found: [UInt32] = []
    for family in [AF_INET, AF_INET6] {
      let count = lc_listeners(family, port, &inodes, inodes.count)
      if count > 0 { found += inodes.prefix(count) }
    }
    return found
  }
}
