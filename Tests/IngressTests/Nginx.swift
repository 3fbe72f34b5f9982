import Wire
import Foundation
import Glibc

/// A real nginx with a server block of the test's own.
struct Nginx: Sendable {
  static let path = "/usr/sbin/nginx"
  static var isInstalled: Bool { access(path, X_OK) == 0 }

  let directory: String
  let port: Int
  private let pid: pid_t

  /// Starts nginx and waits until it accepts.
  ///
  /// - Parameter server: the content of the server block, from the directory and a free port.
  static func start(_ server: (String, Int) -> String) async throws -> Nginx {
    let (descriptor, port) = try Socket.bound()
    close(descriptor)
    let directory = "\(NSTemporaryDirectory())/ngx-\(getpid())-\(port)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let configuration = """
      daemon off; master_process off; pid \(directory)/pid; error_log \(directory)/error.log;
      events { worker_connections 1024; }
      http { access_log off; keepalive_requests 1000000; client_body_temp_path \(directory); proxy_temp_path \(directory);
        fastcgi_temp_path \(directory); uwsgi_temp_path \(directory); scgi_temp_path \(directory);
        server { \(server(directory, port)) } }
      """
    try configuration.write(toFile: "\(directory)/nginx.conf", atomically: true, encoding: .utf8)
    let pid = try spawn([path, "-c", "\(directory)/nginx.conf", "-e", "\(directory)/error.log"])
    let end = ContinuousClock.now + .seconds(120)
    // The pid file is written after the sockets were bound.
    while access("\(directory)/pid", F_OK) != 0 {
      guard waitpid(pid, nil, WNOHANG) == 0, ContinuousClock.now < end else { throw SocketError("nginx did not start") }
      try await Task.sleep(for: .milliseconds(10))
    }
    return Nginx(directory: directory, port: port, pid: pid)
  }

  func stop() {
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
    try? FileManager.default.removeItem(atPath: directory)
  }

  /// With none of this process's descriptors. Foundation's `Process` crashes where there are more than a thousand, as all tests together have: it copies
  /// each `dirent` of /proc/self/fd as if it were 280 bytes long, beyond the end of the buffer.
  private static func spawn(_ words: [String]) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in 3..<Int32(getdtablesize()) where fcntl(descriptor, F_GETFD) == 0 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    let arguments = words.map { strdup($0) }
    defer { for text in arguments { free(text) } }
    var pid: pid_t = 0
    guard posix_spawn(&pid, words[0], &actions, nil, arguments + [nil], environ) == 0 else { throw SocketError("nginx did not start") }
    return pid
  }
}
