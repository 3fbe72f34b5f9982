import ArgumentParser
import CLinux
import Foundation
import Ingress
import StopPlan

/// lastcall ingress: the proxy of one app, started by the engine under a keeper. Its listener is inherited (sd_listen_fds(3)).
struct IngressCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ingress", abstract: "The proxy of one app.", shouldDisplay: false)
  @Option(help: "The control socket's path.") var control: String

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    guard environment["LISTEN_FDS"] == "1", environment["LISTEN_PID"] == String(getpid()) else {
      throw CommandFailure(
        code: 2, message: "expected one inherited listener (LISTEN_FDS=1, LISTEN_PID); lastcall up starts the proxy itself")
    }
    let signals = try ServingSignals.stream()
    let proxy = try await IngressProxy.start(IngressConfiguration(listener: 3, controlPath: control))
    Notification.send("READY=1\nSTATUS=taking connections")
    let grace = environment["LASTCALL_GRACE"].flatMap { TimeSpan($0) } ?? .seconds(30)
    for await arrival in signals.arrivals where arrival.signal == .term || arrival.signal == .int {
      Notification.send("STOPPING=1\nSTATUS=draining")
      await proxy.drainAndClose(grace: .nanoseconds(grace.nanoseconds))
      return
    }
  }
}

/// Tells who started us about our state (sd_notify(3)).
enum Notification {
  static func send(_ text: String) {
    guard let path = ProcessInfo.processInfo.environment["NOTIFY_SOCKET"] else { return }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let socket = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard socket >= 0 else { return }
    defer { close(socket) }
    let message = Array(text.utf8)
    _ = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        sendto(socket, message, message.count, Int32(MSG_NOSIGNAL), $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
  }
}
