import Foundation
import Glibc
import Load
import Synchronization
import Testing

/// A server on a free port of 127.0.0.1 that does to each connection what a closure says.
final class ScriptedServer: Sendable {
  let port: UInt16
  private let listener: Listener

  /// - Parameter handler: called on a thread of its own for every connection; the connection is closed afterwards.
  init(backlog: Int32 = 128, handler: (@Sendable (ServerConnection) -> Void)?) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    let owner = Listener(listener)
    self.listener = owner
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let bound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard bound else { throw POSIXError(.EADDRINUSE) }
    port = UInt16(bigEndian: address.sin_port)
    guard let handler else { return }
    guard listen(listener, backlog) == 0 else { throw POSIXError(.EADDRINUSE) }
    guard backlog > 0 else { return }
    owner.isAccepting.withLock { $0 = true }
    let thread = Thread {
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return owner.close() }
        let worker = Thread {
          let connection = ServerConnection(descriptor: connection)
          handler(connection)
          connection.close()
        }
        worker.start()
      }
    }
    thread.start()
  }

  deinit { listener.stop() }
}

/// A listening descriptor that is closed once, by the thread that accepts on it if there is one: as soon as it is closed its number may be that of another
/// test's listener, whose connections such a thread would take.
private final class Listener: Sendable {
  private let descriptor: Int32
  private let isClosed = Mutex(false)
  let isAccepting = Mutex(false)

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  func stop() {
    guard isAccepting.withLock({ $0 }) else { return close() }
    // Wakes the accepting thread, which closes it.
    isClosed.withLock { closed in if !closed { shutdown(descriptor, Int32(SHUT_RDWR)) } }
  }

  func close() {
    isClosed.withLock { closed in
      if !closed { _ = Glibc.close(descriptor) }
      closed = true
    }
  }
}

/// The server's side of one connection.
final class ServerConnection {
  struct Request {
    var target: String
    var body: [UInt8]
  }

  private var descriptor: Int32
  private var buffered: [UInt8] = []

  init(descriptor: Int32) {
    self.descriptor = descriptor
  }

  /// Reads one request of the load client with its body; nil when the client has ended the connection.
  func readRequest() -> Request? {
    guard let head = readUntil("\r\n\r\n") else { return nil }
    let lines = head.split(separator: "\r\n")
    let words = lines[0].split(separator: " ")
    var body: [UInt8] = []
    if let line = lines.first(where: { $0.hasPrefix("Content-Length: ") }) {
      guard let length = Int(line.dropFirst(16)), let bytes = read(length) else { return nil }
      body = bytes
    } else if lines.contains("Transfer-Encoding: chunked") {
      while true {
        guard let line = readUntil("\r\n"), let size = Int(line.dropLast(), radix: 16), let piece = read(size + 2) else { return nil }
        if size == 0 { break }
        body += piece.dropLast(2)
      }
    }
    return Request(target: String(words[1]), body: body)
  }

  func send(_ text: String, more: Bool = false) {
    send(Array(text.utf8), more: more)
  }

  /// - Parameter more: hold the bytes back until more are sent or the connection is closed (then the FIN is in their segment).
  func send(_ bytes: [UInt8], more: Bool = false) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
      let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, flags) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  func reset() {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    close()
  }

  func close() {
    if descriptor >= 0 { Glibc.close(descriptor) }
    descriptor = -1
  }

  /// Blocks until the client has ended the connection.
  func awaitEnd() {
    while fill() { buffered = [] }
  }

  /// Whether the client has sent more, as far as that is here now.
  func hasMore() -> Bool {
    if !buffered.isEmpty { return true }
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) == 1 && fill()
  }

  private func readUntil(_ mark: String) -> String? {
    let wanted = Array(mark.utf8)
    while true {
      if let range = buffered.firstRange(of: wanted) {
        let text = String(decoding: buffered[..<range.upperBound], as: UTF8.self)
        buffered.removeSubrange(..<range.upperBound)
        return text
      }
      guard fill() else { return nil }
    }
  }

  /// Reads that many bytes; nil when the client ends before.
  func read(_ count: Int) -> [UInt8]? {
    while buffered.count < count {
      guard fill() else { return nil }
    }
    let bytes = Array(buffered.prefix(count))
    buffered.removeFirst(count)
    return bytes
  }

  private func fill() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
    guard count > 0 else { return false }
    buffered += bytes[..<count]
    return true
  }
}

extension LoadRun {
  /// Runs on a thread of its own: it waits, and a thread of the concurrency pool that waits is missing to every other test.
  func besideThePool(onReady: @escaping @Sendable () -> Void = {}) async -> LoadReport {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: self.run(onReady: onReady)) }
    }
  }
}

extension ScriptedServer {
  /// Loads it by one connection of a behaviour; the failures are those that there were.
  func load(by behaviour: String, requests: Int, timeout: Duration) async throws -> (report: LoadReport, counts: [FailureClass: Int]) {
    var plan = LoadPlan(target: try #require(Endpoint(parsing: "http://127.0.0.1:\(port)")))
    plan.connections = 1
    plan.mix = try Mix(parsing: "\(behaviour)=1")
    plan.requests = requests
    plan.timeout = timeout
    plan.duration = LoadPlan.longestDuration
    plan.seed = 7
    let report = await LoadRun(plan).besideThePool()
    #expect(report.requests == requests)
    return (report, report.failures.filter { $0.value > 0 })
  }
}
