import Wire
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Ingress

/// Keep-alive clients that look for an end of file before each request, as real ones do, and count what they lose.
private final class Load: Sendable {
  struct Tally: Sendable {
    var answered = 0
    var lost: [String] = []
    var closedByServer = 0
  }

  private let tally = Mutex(Tally())
  private let stopping = Mutex(false)

  var answered: Int { tally.withLock { $0.answered } }

  func stop() { stopping.withLock { $0 = true } }

  /// Runs until it is stopped.
  ///
  /// - Parameter connect: makes a connection; nil ends that client.
  func run(clients: Int, connect: @escaping @Sendable () -> Socket?) async throws -> Tally {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<clients { group.addTask { try await blocking { self.client(number, connect) } } }
      try await group.waitForAll()
    }
    return tally.withLock { $0 }
  }

  private func client(_ number: Int, _ connect: () -> Socket?) {
    var connection: Socket?
    var count = 0
    while !stopping.withLock({ $0 }) {
      count += 1
      guard let socket = connection ?? connect() else { return }
      connection = socket
      do {
        if number % 4 == 0 {
          try socket.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        } else {
          try socket.send(get())
        }
        let answer = try socket.response()
        guard answer.status == 200 else { throw SocketError("status \(answer.status)") }
        tally.withLock { $0.answered += 1 }
        if answer["connection"] == ["close"] {
          tally.withLock { $0.closedByServer += 1 }
          connection = nil
        }
      } catch {
        tally.withLock { $0.lost.append("client \(number), request \(count): \(error)") }
        connection = nil
      }
    }
  }
}

@Suite struct DrainTests {
  @Test func drainWaitsForWhatIsInFlight() async throws {
    let go = Gate()
    let backend = try Backend.http { request in
      if request.start.contains("/slow") { go.wait() }
      return response("ok")
    }
    try await withProxy([backend.address]) { harness in
      #expect(try await harness.ask(get()).text == "ok")
      async let slow = harness.ask(get("/slow"))
      try await harness.eventually("in flight") { $0.replicas[0].inFlight == 1 }
      #expect(try await harness.engine.drain("r0") == IngressClient.Drain(inFlight: 1, isDrained: false))
      #expect(try await harness.engine.status().replicas[0].pooled == 0)
      async let late = harness.ask(get("/late"))
      try await harness.eventually("held") { $0.held == 1 }
      go.open()
      #expect(try await slow.text == "ok")
      #expect(await harness.waitForEvent(.drained(replica: "r0")))
      #expect(backend.requests == 2)
      try await harness.engine.add("r0", backend.address)
      #expect(try await late.text == "ok")
    }
  }

  @Test func drainOfAReplicaUnderLoadLosesNothing() async throws {
    let backends = try (0..<3).map { _ in try Backend.http { response($0.text.isEmpty ? "ok" : $0.text) } }
    try await withProxy(backends.map(\.address)) { harness in
      let load = Load()
      async let tally = load.run(clients: 64) { try? harness.connect() }
      for round in 0..<6 {
        let mark = load.answered
        while load.answered < mark + 300 { try await Task.sleep(for: .milliseconds(2)) }
        let victim = round % 3
        let drain = try await harness.engine.drain("r\(victim)")
        if !drain.isDrained { #expect(await harness.waitForEvent(.drained(replica: "r\(victim)"))) }
        // From here on nothing may reach it: what it has counted stays.
        let served = backends[victim].requests
        let before = load.answered
        while load.answered < before + 300 { try await Task.sleep(for: .milliseconds(2)) }
        #expect(backends[victim].requests == served)
        try await harness.engine.add("r\(victim)", backends[victim].address)
      }
      load.stop()
      let result = try await tally
      #expect(result.lost == [])
      #expect(result.answered > 3000)
      try await harness.eventually("quiet") { $0.replicas.allSatisfy { $0.inFlight == 0 } }
    }
  }

  @Test func drainOfTheProxyUnderLoadLosesNothing() async throws {
    let backend = try Backend.http { response($0.text.isEmpty ? "ok" : $0.text) }
    // A successor accepts from the same queue, as it does when the proxy is replaced.
    let (shared, port) = try Socket.listening()
    let directory = NSTemporaryDirectory()
    func start(_ name: String) async throws -> (IngressProxy, IngressClient) {
      let path = "\(directory)/ingress-\(getpid())-\(port)-\(name).sock"
      var configuration = IngressConfiguration(listener: dup(shared), controlPath: path)
      // Longer than any client takes for its next request here.
      configuration.limits.drainLinger = .seconds(600)
      configuration.limits.connectTimeout = .seconds(60)
      configuration.limits.holdTime = .seconds(600)
      let proxy = try await IngressProxy.start(configuration)
      let engine = try await IngressClient.connect(path, timeout: .seconds(120))
      try await engine.add("web", backend.address)
      return (proxy, engine)
    }
    let (old, oldEngine) = try await start("old")
    let load = Load()
    async let tally = load.run(clients: 64) { try? Socket.connect(port: port) }
    while load.answered < 500 { try await Task.sleep(for: .milliseconds(2)) }
    let (new, newEngine) = try await start("new")
    await old.drainAndClose(grace: .seconds(600))
    let after = load.answered
    while load.answered < after + 500 { try await Task.sleep(for: .milliseconds(2)) }
    load.stop()
    let result = try await tally
    #expect(result.lost == [])
    // All 64 were told to leave by a response, none by a bare end.
    #expect(result.closedByServer >= 64)
    var sawClosing = false
    for await event in oldEngine.events { sawClosing = sawClosing || event == .closing }
    #expect(sawClosing)
    await newEngine.close()
    await new.drainAndClose(grace: .zero)
    close(shared)
  }

  @Test func drainingProxyAnswersLateRequestsAndCloses() async throws {
    let go = Gate()
    let backend = try Backend.http { request in
      if request.start.contains("/slow") { go.wait() }
      return response("ok")
    }
    try await withProxy([backend.address], { $0.limits.drainLinger = .seconds(600) }) { harness in
      let late = try harness.connect()
      let slow = try harness.connect()
      try await blocking {
        try late.send(get())
        #expect(try late.response()["connection"] == [])
        try slow.send(get("/slow"))
      }
      try await harness.eventually("in flight") { $0.replicas[0].inFlight == 1 && $0.connections == 2 }
      async let closed: Void = harness.proxy.drainAndClose(grace: .seconds(600))
      try await harness.eventually("draining") { $0.draining }
      try await blocking {
        #expect(throws: SocketError.self) { try harness.connect() }
        try late.send(get())
        let answer = try late.response()
        #expect(answer.text == "ok")
        #expect(answer["connection"] == ["close"])
        #expect(try late.readToEnd() == [])
        go.open()
        let last = try slow.response()
        #expect(last.text == "ok")
        #expect(last["connection"] == ["close"])
        #expect(try slow.readToEnd() == [])
      }
      for client in [late, slow] { client.close() }
      await closed
      #expect(access(harness.controlPath, F_OK) != 0)
    }
  }

  @Test func drainingProxyClosesIdleConnections() async throws {
    let backend = try Backend.http { _ in response("ok") }
    try await withProxy([backend.address], { $0.limits.drainLinger = .milliseconds(50) }) { harness in
      let client = try harness.connect()
      try await blocking {
        try client.send(get())
        #expect(try client.response().text == "ok")
      }
      async let closed: Void = harness.proxy.drainAndClose(grace: .seconds(600))
      // A FIN, no reset; what is still sent then is read off and does no harm.
      #expect(try await blocking { try client.readToEnd() } == [])
      client.close()
      await closed
    }
  }

  @Test func graceBoundsTheDrain() async throws {
    let backend = try Backend { _, socket, _ in
      _ = try socket.request()
      _ = try socket.hasMore()
    }
    try await withProxy([backend.address]) { harness in
      let client = try harness.connect()
      try client.send(get())
      try await harness.eventually("in flight") { $0.replicas[0].inFlight == 1 }
      let start = ContinuousClock.now
      await harness.proxy.drainAndClose(grace: .milliseconds(200))
      let took = ContinuousClock.now - start
      #expect(took >= .milliseconds(200))
      #expect(took < .seconds(100))
      #expect(try await blocking { try client.readToEnd() } == [])
    }
  }

  @Test(.enabled(if: Nginx.isInstalled)) func nginxUnderLoad() async throws {
    let one = try await Nginx.start { "listen 127.0.0.1:\($1); location / { return 200 one; }" }
    defer { one.stop() }
    let two = try await Nginx.start { "listen 127.0.0.1:\($1); location / { return 200 two; }" }
    defer { two.stop() }
    try await withProxy([.inet(host: "127.0.0.1", port: one.port), .inet(host: "127.0.0.1", port: two.port)]) { harness in
      let load = Load()
      async let tally = load.run(clients: 16) { try? harness.connect() }
      while load.answered < 1000 { try await Task.sleep(for: .milliseconds(2)) }
      let drain = try await harness.engine.drain("r0")
      if !drain.isDrained { #expect(await harness.waitForEvent(.drained(replica: "r0"))) }
      // Deregistered and drained, it can be killed in any way.
      one.stop()
      let after = load.answered
      while load.answered < after + 1000 { try await Task.sleep(for: .milliseconds(2)) }
      load.stop()
      let result = try await tally
      #expect(result.lost == [])
    }
  }
}
