import Wire
import Foundation
import Glibc

/// A real nginx with a server block of the test's own.
struct Nginx: Sendable {
  static let path = "/usr/sbin/nginx"
  static var isInstalled: Bool { access(path, X_OK) == 0 }

  let directory: String
  let port: Int
  private let process: Process

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
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = ["-c", "\(directory)/nginx.conf", "-e", "\(directory)/error.log"]
    try process.run()
    let end = ContinuousClock.now + .seconds(120)
    // The pid file is written after the sockets were bound.
    while access("\(directory)/pid", F_OK) != 0 {
      guard process.isRunning, ContinuousClock.now < end else { throw SocketError("nginx did not start") }
      try await Task.sleep(for: .milliseconds(10))
    }
    return Nginx(directory: directory, port: port, process: process)
  }

  func stop() {
    guard process.isRunning else { return }
    // Foundation starts children with SIGTERM blocked.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    try? FileManager.default.removeItem(atPath: directory)
  }
}
