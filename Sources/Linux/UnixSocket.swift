import CLinux

/// Unix sockets, always close-on-exec and non-blocking; a bound one's file is 0600 from the start.
public enum UnixSocket {
  /// A stream socket that listens at `path`.
  public static func listen(at path: Path) throws(SystemError) -> Descriptor {
    Descriptor(number: Int32(try check(path.withCString { lc_unix_socket($0, lc_stream(), 0) })))
  }

  /// A datagram socket bound to `path`.
  public static func datagram(at path: Path) throws(SystemError) -> Descriptor {
    Descriptor(number: Int32(try check(path.withCString { lc_unix_socket($0, lc_datagram(), 0) })))
  }

  /// A stream socket connected to `path`.
  public static func connect(to path: Path) throws(SystemError) -> Descriptor {
    Descriptor(number: Int32(try check(path.withCString { lc_unix_socket($0, lc_stream(), 1) })))
  }

  /// The next connection of a listening socket, or nil when none waits.
  public static func accept(_ listener: Descriptor) -> Descriptor? {
    guard let number = try? check(lc_accept(listener.number)) else { return nil }
    return Descriptor(number: Int32(number))
  }
}
