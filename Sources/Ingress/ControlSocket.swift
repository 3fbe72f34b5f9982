#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The file of a control socket.
struct ControlSocket {
  let path: String
  let descriptor: CInt
  /// What tells the file from one that another proxy made there later, perhaps with the same inode number.
  private let identity: [Int]

  /// Makes a socket that only its owner can connect to and listens on it. A file left by a dead proxy is replaced.
  ///
  /// - Parameter path: at most 107 octets.
  static func make(_ path: String) throws(IngressError) -> ControlSocket {
    var address = try socketAddress(path)
    try removeStale(path, &address)
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw .system(call: "socket", errno: errno, subject: path) }
    do throws(IngressError) {
      // The file takes its mode from the socket (net/unix/af_unix.c, unix_bind_bsd), so it never exists with another one; the
      // umask, which belongs to the whole process, is left alone.
      try check(fchmod(descriptor, S_IRUSR | S_IWUSR), "fchmod", path)
      try check(withAddress(&address) { bind(descriptor, $0, $1) }, "bind", path)
      try check(listen(descriptor, 64), "listen", path)
      var information = stat()
      try check(lstat(path, &information), "lstat", path)
      return ControlSocket(path: path, descriptor: descriptor, identity: identity(information))
    } catch {
      close(descriptor)
      throw error
    }
  }

  /// Removes the file, unless another proxy has put its own there.
  func remove() {
    var information = stat()
    guard lstat(path, &information) == 0, Self.identity(information) == identity else { return }
    unlink(path)
  }

  private static func identity(_ information: stat) -> [Int] {
    [Int(information.st_dev), Int(information.st_ino), information.st_ctim.tv_sec, information.st_ctim.tv_nsec]
  }

  private static func removeStale(_ path: String, _ address: inout sockaddr_un) throws(IngressError) {
    var information = stat()
    guard lstat(path, &information) == 0 else { return }
    guard information.st_mode & S_IFMT == S_IFSOCK else { throw .controlPathTaken(path) }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard probe >= 0 else { throw .system(call: "socket", errno: errno, subject: path) }
    defer { close(probe) }
    // Anything but a refusal means that somebody listens there.
    let refused = withAddress(&address) { connect(probe, $0, $1) } != 0 && errno == ECONNREFUSED
    guard refused else { throw .controlPathTaken(path) }
    try check(unlink(path), "unlink", path)
  }

  private static func socketAddress(_ path: String) throws(IngressError) -> sockaddr_un {
    let octets = Array(path.utf8)
    guard !octets.isEmpty, octets.count <= ReplicaAddress.longestPath, !octets.contains(0) else { throw .controlPathInvalid(path) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: octets) }
    return address
  }

  private static func withAddress(_ address: inout sockaddr_un, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
    withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
  }

  private static func check(_ result: CInt, _ call: String, _ path: String) throws(IngressError) {
    if result != 0 { throw .system(call: call, errno: errno, subject: path) }
  }
}
