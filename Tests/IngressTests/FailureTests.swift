import Wire
import Foundation
import Glibc
import Testing

@testable import Ingress

@Suite struct FailureTests {
  @Test func refusedConnectionGoesToAnotherReplica() async throws {
    let backend = try Backend.http { response($0.text) }
    let (dead, port) = try Socket.bound()
    defer { close(dead) }
    try await withProxy([.inet(host: "127.0.0.1", port: port), backend.address]) { harness in
      for number in 0..<20 {
        let answer = try await harness.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        #expect(answer.text == "hello", "request \(number)")
      }
      let replicas = try await harness.engine.status().replicas
      #expect(replicas.map(\.unreachable) == [true, false])
      #expect(replicas.map(\.served) == [0, 20])
    }
  }

  @Test func holdsUntilAReplicaIsReady() async throws {
    let backend = try Backend.http { response($0.text) }
    try await withProxy { harness in
      async let answers = withThrowingTaskGroup(of: Message.self) { group in
        for _ in 0..<20 { group.addTask { try await harness.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello") } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      try await harness.eventually("held") { $0.held == 20 }
      try await harness.engine.add("web", backend.address)
      #expect(try await answers.map(\.text) == Array(repeating: "hello", count: 20))
      #expect(try await harness.engine.status().held == 0)
    }
  }

  @Test func holdingIsBoundedInNumber() async throws {
    try await withProxy([], { $0.limits.maxHeld = 1 }) { harness in
      let first = try harness.connect()
      try first.send(get())
      try await harness.eventually("held") { $0.held == 1 }
      let second = try await harness.ask(get())
      #expect(second.status == 503)
      #expect(second["retry-after"] == ["1"])
      // A client that leaves while it waits leaves nothing behind.
      first.close()
      try await harness.eventually("forgotten") { $0.held == 0 && $0.connections == 0 }
    }
  }

  @Test func holdingIsBoundedInTime() async throws {
    try await withProxy([], { $0.limits.holdTime = .milliseconds(200) }) { harness in
      try await blocking {
        let client = try harness.connect()
        // Without a body to come the connection goes on.
        for _ in 0..<2 {
          try client.send(get())
          let answer = try client.response()
          #expect(answer.status == 503)
          #expect(answer["retry-after"] == ["1"])
        }
      }
      #expect(try await harness.engine.status().held == 0)
    }
  }

  @Test func unreachableReplicaIsTriedAgainWithinTheHold() async throws {
    let (descriptor, port) = try Socket.bound()
    try await withProxy([.inet(host: "127.0.0.1", port: port)]) { harness in
      async let answer = harness.ask(get())
      try await harness.eventually("held") { $0.held == 1 && $0.replicas[0].unreachable }
      #expect(listen(descriptor, 16) == 0)
      let backend = Backend.http(descriptor, port) { _ in response("back") }
      #expect(try await answer.text == "back")
      #expect(try await harness.engine.status().replicas[0].unreachable == false)
      backend.stop()
    }
  }

  @Test func unreachableReplicaIsABadGatewayAfterTheHold() async throws {
    let (descriptor, port) = try Socket.bound()
    defer { close(descriptor) }
    try await withProxy([.inet(host: "127.0.0.1", port: port)], { $0.limits.holdTime = .milliseconds(250) }) {
      (harness: Harness) async throws in
      #expect(try await harness.ask(get()).status == 502)
    }
  }

  @Test func cutResponsesAreVisible() async throws {
    let texts = [
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ]
    for text in texts {
      for resets in [false, true] {
        let cut = Gate()
        let backend = try Backend { _, socket, _ in
          _ = try socket.request()
          try socket.send(text)
          // A reset overtakes what was sent before it, so it waits until that has arrived.
          cut.wait()
          if resets { socket.reset() }
        }
        try await withProxy([backend.address]) { harness in
          try await blocking {
            let client = try harness.connect()
            try client.send(get())
            #expect(try client.readHead().status == 200)
            cut.open()
            let rest = String(decoding: (try? client.readToEnd()) ?? [], as: UTF8.self)
            #expect(!rest.hasSuffix("0\r\n\r\n"), "\(text.debugDescription)")
            #expect(rest.count < 100)
          }
          try await harness.eventually("released") { $0.replicas[0].inFlight == 0 && $0.replicas[0].served == 0 }
        }
      }
    }
  }

  @Test func cutIsAResetWhereAnEndWouldLookClean() async throws {
    let cut = Gate()
    let backend = try Backend { _, socket, _ in
      _ = try socket.request()
      try socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
      cut.wait()
    }
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        try client.send(get(version: "1.0"))
        _ = try client.readHead()
        #expect(try client.read(5) == Array("hello".utf8))
        cut.open()
        #expect(throws: SocketError.self) { try client.readToEnd() }
      }
    }
    let reset = Gate()
    let untilClose = try Backend { _, socket, _ in
      _ = try socket.request()
      try socket.send("HTTP/1.1 200 OK\r\n\r\nhello")
      reset.wait()
      socket.reset()
    }
    try await withProxy([untilClose.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        try client.send(get())
        _ = try client.readHead()
        #expect(try client.read(5) == Array("hello".utf8))
        reset.open()
        #expect(throws: SocketError.self) { try client.readToEnd() }
      }
    }
  }

  @Test(arguments: [
    "", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 2",
  ])
  func noValidResponseIsABadGateway(text: String) async throws {
    let backend = try Backend { backend, socket, _ in
      _ = try socket.request()
      backend.count()
      try socket.send(text)
    }
    try await withProxy([backend.address]) { (harness: Harness) async throws in
      #expect(try await harness.ask(get()).status == 502)
      #expect(try await harness.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok").status == 502)
      // On fresh connections nothing that was sent is sent again.
      #expect(backend.requests == 2)
    }
  }

  /// Answers the first request of each connection and closes when the second arrives, as a server that just timed it out does.
  private func closingBackend() throws -> Backend {
    try Backend { backend, socket, _ in
      _ = try socket.request()
      backend.count()
      try socket.send(response("ok"))
      _ = try socket.request()
    }
  }

  @Test func staleConnectionIsReplacedForSafeRequests() async throws {
    let backend = try closingBackend()
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        for number in 0..<10 {
          try client.send(get(method: number % 2 == 0 ? "GET" : "OPTIONS"))
          #expect(try client.response().text == "ok", "request \(number)")
        }
      }
      #expect(backend.requests == 10)
      #expect(backend.connections == 10)
    }
  }

  @Test func otherRequestsAreNeverSentOnAReusedConnection() async throws {
    let backend = try closingBackend()
    try await withProxy([backend.address]) { harness in
      for text in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "get / HTTP/1.1\r\nHost: a\r\n\r\n",
      ] {
        let before = backend.connections
        #expect(try await harness.ask(get()).text == "ok")
        try await harness.eventually("pooled") { $0.replicas[0].pooled >= 1 }
        #expect(try await harness.ask(text).text == "ok")
        #expect(backend.connections >= before + 1, "\(text)")
      }
      // Every request was the first on its connection but for the safe ones, which were sent again.
      #expect(backend.requests == 12)
      #expect(backend.connections == 12)
    }
  }

  @Test func idleConnectionThatSpeaksOrEndsIsDropped() async throws {
    for stray in ["", "HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\n\r\n"] {
      let go = Gate()
      let backend = try Backend { backend, socket, number in
        _ = try socket.request()
        backend.count()
        try socket.send(response("\(number)"))
        if number > 0 { return _ = try socket.hasMore() }
        go.wait()
        try socket.send(stray)
      }
      try await withProxy([backend.address]) { harness in
        #expect(try await harness.ask(get()).text == "0")
        try await harness.eventually("pooled") { $0.replicas[0].pooled == 1 }
        go.open()
        try await harness.eventually("dropped") { $0.replicas[0].pooled == 0 }
        #expect(try await harness.ask(get()).text == "1")
      }
    }
  }

  @Test func octetsAfterAResponseSpoilItsConnection() async throws {
    let backend = try Backend { _, socket, number in
      while try socket.hasMore() {
        _ = try socket.request()
        try socket.send(response("\(number)") + (number == 0 ? response("poison") : ""))
      }
    }
    try await withProxy([backend.address]) { (harness: Harness) async throws in
      #expect(try await harness.ask(get()).text == "0")
      #expect(try await harness.ask(get()).text == "1")
    }
  }

  @Test func idleConnectionsEndBeforeTheServersTimeout() async throws {
    let backend = try Backend.http { _ in response("ok") }
    try await withProxy([backend.address], { $0.limits.upstreamIdle = .milliseconds(200) }) { harness in
      #expect(try await harness.ask(get()).text == "ok")
      try await harness.eventually("closed") { $0.replicas[0].pooled == 0 }
      #expect(try await harness.ask(get()).text == "ok")
      #expect(backend.connections == 2)
    }
  }

  @Test func clientThatLeavesCancelsItsRequest() async throws {
    for resets in [false, true] {
      let noticed = Gate()
      let arrived = Gate()
      let backend = try Backend { _, socket, _ in
        _ = try socket.request()
        arrived.open()
        // The proxy closes this connection: the end of file, or a reset, comes.
        if (try? socket.hasMore()) != true { noticed.open() }
      }
      try await withProxy([backend.address]) { harness in
        let client = try harness.connect()
        try client.send(get())
        try await blocking { arrived.wait() }
        try await harness.eventually("in flight") { $0.replicas[0].inFlight == 1 }
        if resets { client.reset() } else { client.close() }
        try await harness.eventually("released") { $0.replicas[0].inFlight == 0 && $0.connections == 0 }
        try await blocking { noticed.wait() }
      }
    }
  }

  @Test func earlyResponseEndsTheUpload() async throws {
    let backend = try Backend { _, socket, _ in
      _ = try socket.readHead()
      try socket.send(response("too much", status: "413 Content Too Large"))
    }
    try await withProxy([backend.address]) { harness in
      let answer = try await blocking { () -> Message in
        let client = try harness.connect()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n" + String(repeating: "x", count: 1000))
        return try client.response()
      }
      #expect(answer.status == 413)
      #expect(answer["connection"] == ["close"])
    }
  }

  /// Answers requests for `/`, and nothing else ever.
  private func silentBackend() throws -> Backend {
    try Backend { _, socket, _ in
      while try socket.readHead().start.hasPrefix("GET / ") { try socket.send(response("ok")) }
      _ = try socket.readToEnd()
    }
  }

  @Test func timeoutOfARequestsHead() async throws {
    let backend = try silentBackend()
    try await withProxy([backend.address], { $0.limits.clientHead = .milliseconds(200) }) { (harness: Harness) async throws in
      // Nothing received: nothing answered.
      #expect(try await blocking { try harness.connect().readToEnd() } == [])
    }
    try await withProxy([backend.address], { $0.limits.clientHead = .seconds(15) }) { harness in
      try await blocking {
        let client = try harness.connect()
        try client.send(get() + "GET / HT")
        #expect(try client.response().text == "ok")
        #expect(try client.response().status == 408)
        #expect(try client.readToEnd() == [])
      }
    }
  }

  @Test func timeoutOfAnIdleClient() async throws {
    let backend = try silentBackend()
    try await withProxy([backend.address], { $0.limits.clientIdle = .milliseconds(200) }) { harness in
      try await blocking {
        let client = try harness.connect()
        try client.send(get())
        #expect(try client.response()["connection"] == [])
        #expect(try client.readToEnd() == [])
      }
    }
  }

  @Test func timeoutOfAStalledBody() async throws {
    let backend = try silentBackend()
    try await withProxy([backend.address], { $0.limits.clientStall = .milliseconds(200) }) { harness in
      let answer = try await harness.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
      #expect(answer.status == 408)
      try await harness.eventually("released") { $0.replicas[0].inFlight == 0 }
    }
  }

  @Test func timeoutOfAResponse() async throws {
    let backend = try silentBackend()
    try await withProxy([backend.address], { $0.limits.responseHead = .milliseconds(200) }) { harness in
      let answer = try await harness.ask(get("/never"))
      #expect(answer.status == 504)
      #expect(answer["connection"] == [])
      try await harness.eventually("released") { $0.replicas[0].inFlight == 0 && $0.connections == 0 }
    }
  }
}
