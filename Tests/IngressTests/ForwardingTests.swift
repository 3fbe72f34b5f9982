import Glibc
import NIOCore
import Wire
import Testing

@testable import Ingress

@Suite struct ForwardingTests {
  @Test func keepsConnectionsOnBothSides() async throws {
    let backend = try Backend.http { response("\($0.start) \($0["x-forwarded-for"]) \($0["connection"])") }
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        for number in 0..<20 {
          try client.send(get("/\(number)", "Connection: keep-alive\r\n"))
          #expect(try client.response().text == "GET /\(number) HTTP/1.1 [\"127.0.0.1\"] []")
        }
      }
      #expect(backend.connections == 1)
      try await harness.eventually("served") { $0.replicas[0].served == 20 && $0.replicas[0].pooled == 1 && $0.replicas[0].inFlight == 0 }
    }
  }

  @Test func bodiesBothWays() async throws {
    let backend = try Backend.http { response($0.text, "X-Coding: \($0["transfer-encoding"])\r\n") }
    try await withProxy([backend.address]) { harness in
      let text = String((0..<300_000).map { _ in "abcdefgh".randomElement() ?? "a" })
      let sized = try await harness.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
      #expect(sized.text == text)
      let chunked = try await harness.ask(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(String(text.utf8.count, radix: 16));x=y\r\n\(text)\r\n0\r\nT: 1\r\n\r\n"
      )
      #expect(chunked.text == text)
      #expect(chunked["x-coding"] == ["[\"chunked\"]"])
    }
  }

  @Test func chunkedResponses() async throws {
    let backend = try Backend.http { _ in
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: 1\r\n\r\n"
    }
    try await withProxy([backend.address]) { harness in
      let modern = try await harness.ask(get())
      #expect(modern.text == "hello world")
      #expect(modern["connection"] == [])
      // A client of HTTP/1.0 cannot read chunks: it gets the data and a close.
      let old = try await harness.ask(get("/", "Connection: keep-alive\r\n", version: "1.0"))
      #expect(old.text == "hello world")
      #expect(old["connection"] == ["close"])
      #expect(old["transfer-encoding"] == [])
      #expect(backend.connections == 1)
    }
  }

  @Test func oldClientsAndOldServers() async throws {
    let modern = try Backend.http { response("\($0["host"])") }
    try await withProxy([modern.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        for _ in 0..<2 {
          try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
          let answer = try client.response()
          #expect(answer["connection"] == ["keep-alive"])
          #expect(answer.text == "[\"127.0.0.1:\(harness.port)\"]")
        }
        try client.send("GET / HTTP/1.0\r\n\r\n")
        #expect(try client.response()["connection"] == ["close"])
        #expect(try client.readToEnd() == [])
      }
    }
    let old = try Backend { _, socket, _ in
      _ = try socket.request()
      try socket.send("HTTP/1.0 200 OK\r\n\r\nuntil the end")
    }
    try await withProxy([old.address]) { harness in
      for _ in 0..<2 {
        let answer = try await harness.ask(get())
        #expect(answer.start == "HTTP/1.1 200 OK")
        #expect(answer.text == "until the end")
        #expect(answer["connection"] == ["close"])
      }
      #expect(old.connections == 2)
    }
  }

  @Test func responsesWithoutBody() async throws {
    let backend = try Backend.http { request in
      switch request.start.split(separator: " ")[1] {
      case "/204": "HTTP/1.1 204 No Content\r\n\r\n"
      case "/304": "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"
      default: request.start.hasPrefix("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" : response("hello")
      }
    }
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        for _ in 0..<3 {
          try client.send(get("/", method: "HEAD"))
          #expect(try client.response(hasNoBody: true)["content-length"] == ["5"])
          try client.send(get("/204"))
          #expect(try client.response().status == 204)
          try client.send(get("/304"))
          #expect(try client.response().status == 304)
          try client.send(get())
          #expect(try client.response().text == "hello")
        }
      }
      #expect(backend.connections == 1)
    }
  }

  @Test func interimResponses() async throws {
    let backend = try Backend { _, socket, _ in
      while try socket.hasMore() {
        let head = try socket.readHead()
        try socket.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        if head["expect"] == ["100-continue"] { try socket.send("HTTP/1.1 100 Continue\r\n\r\n") }
        let body = try socket.read(Int(head["content-length"].first ?? "0") ?? 0)
        try socket.send(response(String(decoding: body, as: UTF8.self)))
      }
    }
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        try client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        #expect(try client.readHead().status == 103)
        #expect(try client.readHead().status == 100)
        try client.send("hello")
        #expect(try client.response().text == "hello")
        // The next on the same connection; and none of it for HTTP/1.0.
        try client.send(get())
        #expect(try client.readHead().status == 103)
        #expect(try client.response().status == 200)
        let old = try harness.connect()
        try old.send(get(version: "1.0"))
        #expect(try old.response().status == 200)
      }
    }
  }

  @Test func pipelinedRequestsInOrder() async throws {
    let backend = try Backend.http { response($0.start + $0.text) }
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        // More than is kept ahead, so that reading has to stop and go on.
        let count = 3000
        let sender = Socket(adopting: dup(client.descriptor))
        let all = (0..<count).map { $0 % 3 == 0 ? "POST /\($0) HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok" : get("/\($0)") }
          .joined()
        let done = Task { try await blocking { try sender.send(all) } }
        for number in 0..<count {
          let expected = number % 3 == 0 ? "POST /\(number) HTTP/1.1ok" : "GET /\(number) HTTP/1.1"
          guard try client.response().text == expected else { return #expect(Bool(false), "response \(number)") }
        }
        done.cancel()
      }
    }
  }

  @Test func refusesBadRequestsAndCloses() async throws {
    let backend = try Backend.http { _ in response("never") }
    try await withProxy([backend.address]) { harness in
      for (text, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400), ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501), ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "x", count: 40_000), 431), ("PRI * HTTP/2.0\r\n\r\n", 505),
        ("\u{16}\u{3}\u{1}", 400),
      ] {
        let answer = try await blocking { () -> (Message, [UInt8]) in
          let client = try harness.connect()
          try client.send(text)
          return (try client.response(), try client.readToEnd())
        }
        #expect(answer.0.status == status, "\(text.prefix(40))")
        #expect(answer.0["connection"] == ["close"])
        #expect(answer.1 == [])
      }
      #expect(backend.requests == 0)
      // A body that turns out to be bad ends the request, and the replica's connection with it.
      let bad = try await harness.ask("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
      #expect(bad.status == 400)
      try await harness.eventually("released") { $0.replicas[0].inFlight == 0 && $0.replicas[0].pooled == 0 }
    }
  }

  @Test(.enabled(if: Nginx.isInstalled)) func unixSocketsAndIPv6AsReplicas() async throws {
    let nginx = try await Nginx.start({ "listen unix:\($0)/web.sock; listen [::1]:\($1); location / { return 200 ok; }" })
    defer { nginx.stop() }
    try await withProxy([.unix(path: "\(nginx.directory)/web.sock"), .inet(host: "::1", port: nginx.port)]) { harness in
      for _ in 0..<4 { #expect(try await harness.ask(get()).text == "ok") }
      let served = try await harness.engine.status().replicas.map(\.served)
      #expect(served == [2, 2])
    }
  }

  @Test func slowClientIsNotBufferedFor() async throws {
    let total = 64 * 1024 * 1024
    let written = Counter()
    let backend = try Backend { _, socket, _ in
      _ = try socket.request()
      try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
      let piece = [UInt8](repeating: 120, count: 64 * 1024)
      for _ in 0..<total / piece.count {
        try socket.send(piece)
        written.add(piece.count)
      }
    }
    try await withProxy([backend.address]) { harness in
      let client = try harness.connect(receiveBuffer: 32 * 1024)
      try client.send(get())
      _ = try await blocking { try client.readHead() }
      // The replica comes to a stop: what it has written then is in kernels and in the proxy's bounded buffer.
      var last = -1
      var buffered = 0
      while written.value != last || buffered == 0 {
        last = written.value
        try await Task.sleep(for: .milliseconds(300))
        buffered = try await harness.proxy.status().buffered
      }
      // Four sockets' buffers grow up to tcp_rmem and tcp_wmem each; the proxy's own is bounded below.
      #expect(last < total / 2, "\(last) octets were taken from the replica")
      #expect(buffered <= 256 * 1024, "\(buffered) octets are buffered")
      #expect(try await blocking { try client.read(total).count } == total)
    }
  }

  @Test func slowReplicaIsNotBufferedFor() async throws {
    let go = Gate()
    let total = 32 * 1024 * 1024
    let backend = try Backend { _, socket, _ in
      _ = try socket.readHead()
      go.wait()
      try socket.send(response("\(try socket.read(total).count)"))
    }
    try await withProxy([backend.address]) { harness in
      let client = try harness.connect()
      try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(total)\r\n\r\n")
      let piece = [UInt8](repeating: 120, count: 64 * 1024)
      var sent = 0
      var stalls = 0
      while stalls < 30, sent < total {
        if let count = client.sendNow(piece) {
          sent += count
          stalls = 0
        } else {
          stalls += 1
          try await Task.sleep(for: .milliseconds(10))
        }
      }
      #expect(sent < total, "everything was taken from the client")
      go.open()
      let rest = total - sent
      let answer = try await blocking { () -> Message in
        try client.send([UInt8](repeating: 120, count: rest))
        return try client.response()
      }
      #expect(answer.text == "\(total)")
    }
  }
}
