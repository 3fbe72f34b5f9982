import CLinux

/// Unix sockets, always close-on-exec and non-blocking; a bound one's file is 0600 from the start.
public enum UnixSocket {
  /// A stream socket that listens at `path`.
  public static func listen(at path: Path) throws(SystemError) -> Descriptor { try open(path, lc_stream(), connects: false) }

  /// A datagram socket bound to `path`.
  public static func datagram(at path: Path) throws(SystemError) -> Descriptor { try open(path, lc_datagram(), connects: false) }

  /// A stream socket connected to `path`.
  public static func connect(to path: Path) throws(SystemError) -> Descriptor { try open(path, lc_stream(), connects: true) }

  @inline(never)
  private static func open(_ path: Path, _ type: Int32, connects: Bool) throws(SystemError) -> Descriptor {
    try Descriptor(path.withCString { lc_unix_socket($0, type, connects ? 1 : 0) })
  }

  /// The next connection of a listening socket, or nil when none waits.
  public static func accept(_ listener: Descriptor) -> Descriptor? {
    let number = lc_accept(listener.number)
    return number < 0 ? nil : Descriptor(number: Int32(truncatingIfNeeded: number))
  }
}
