import CListener
import Linux

/// The listening sockets that a keeper holds for its program, sent over its control socket (SCM_RIGHTS, unix(7)).
enum KeeperListeners {
  /// How long a keeper may take to answer, in ms.
  private static let patience: Int32 = 5_000

  /// - Parameter socket: the keeper's control socket.
  /// - Returns: ours to close; empty when the keeper has none or does not answer.
  static func fetch(_ socket: String) -> [Descriptor] {
    var numbers = [Int32](repeating: -1, count: 16)
    let count = lc_fetch_listeners(socket, &numbers, Int32(numbers.count), patience)
    return count > 0 ? numbers.prefix(Int(count)).map { Descriptor(number: $0) } : []
  }
}
