#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Why the proxy, or its client, could not do what it was asked.
public enum IngressError: Error, Equatable, CustomStringConvertible {
  /// The descriptor that was given is no listening stream socket.
  case notListening(descriptor: CInt)
  /// The path of the control socket is empty or longer than 107 octets.
  case controlPathInvalid(String)
  /// Something else than a dead proxy's socket is at the path of the control socket.
  case controlPathTaken(String)
  /// A system call failed.
  case system(call: String, errno: CInt, subject: String)
  /// The proxy speaks another version of the control protocol.
  case protocolMismatch(theirs: Int)
  /// The proxy refused a request, for this reason.
  case refused(String)
  /// The connection to the proxy is gone; what the proxy knows is not.
  case connectionLost
  /// The proxy did not answer in time.
  case noAnswer(operation: String)

  /// What happened, to what, and what to do.
  public var description: String {
    switch self {
    case .notListening(let descriptor):
      "descriptor \(descriptor) is not a listening socket; pass one that is bound and on which listen was called"
    case .controlPathInvalid(let path):
      "the control socket cannot be made at \"\(path)\": a socket's path has 1 to 107 octets; choose a shorter directory"
    case .controlPathTaken(let path):
      "the control socket cannot be made at \(path): it is in use by a running proxy, or is no socket; choose another path or remove it"
    case .system(let call, let number, let subject): "\(call) failed for \(subject): \(String(cString: strerror(number)))"
    case .protocolMismatch(let theirs):
      "the proxy speaks version \(theirs) of the control protocol, not \(ControlProtocol.version); replace it with this version's"
    case .refused(let reason): "the proxy refused: \(reason)"
    case .connectionLost: "the connection to the proxy was lost; connect again and ask for its status"
    case .noAnswer(let operation): "the proxy did not answer \(operation) in time; it may be overloaded or stopped"
    }
  }
}
