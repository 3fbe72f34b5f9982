import Testing
import Wire

@testable import Ingress

private let upgrade = get("/", "Connection: Upgrade\r\nUpgrade: echo\r\n")

@Suite struct TunnelTests {
  /// Upgrades, sends back what comes, and after the client's FIN `bye` and its own.
  private func echo() throws -> Backend {
    try Backend { _, socket, _ in
      let head = try socket.readHead()
      guard head["upgrade"] == ["echo"] else { return try socket.send(response("no")) }
      try socket.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi ")
      while try socket.hasMore() { try socket.send(try socket.read(1)) }
      try socket.send(" bye")
    }
  }

  @Test func octetsBothWaysAndHalfClose() async throws {
    let backend = try echo()
    try await withProxy([backend.address]) { harness in
      let client = try harness.connect()
      try await blocking {
        // Some of it together with the request, which must not be lost.
        try client.send(upgrade + "early ")
        let head = try client.readHead()
        #expect(head.status == 101)
        #expect(head["upgrade"] == ["echo"])
        #expect(head["connection"] == ["upgrade"])
        #expect(String(decoding: try client.read(9), as: UTF8.self) == "hi early ")
      }
      // A tunnel is no request in flight: a drain does not wait for it.
      try await harness.eventually("counted apart") { $0.replicas[0].tunnels == 1 && $0.replicas[0].inFlight == 0 }
      #expect(try await harness.engine.drain("r0") == IngressClient.Drain(inFlight: 0, isDrained: true))
      #expect(await harness.waitForEvent(.drained(replica: "r0")))
      try await blocking {
        try client.send("still there")
        client.shutdownOutput()
        #expect(String(decoding: try client.readToEnd(), as: UTF8.self) == "still there bye")
      }
      try await harness.eventually("ended") { $0.replicas[0].tunnels == 0 && $0.connections == 0 }
    }
  }

  /// SwiftNIO's servers upgrade only the first request of a connection.
  @Test func anUpgradeGoesOutOnAFreshConnection() async throws {
    let backend = try Backend { _, socket, _ in
      var isFirst = true
      while true {
        let head = try socket.readHead()
        guard head["upgrade"] == ["echo"] else {
          try socket.send(response("plain"))
          isFirst = false
          continue
        }
        guard isFirst else { return try socket.send(response("too late")) }
        return try socket.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
      }
    }
    try await withProxy([backend.address]) { harness in
      let client = try harness.connect()
      try await blocking {
        try client.send(get("/"))
        #expect(try client.readMessage(isResponse: true).text == "plain")
        try client.send(upgrade)
        #expect(try client.readHead().status == 101)
      }
    }
  }

  @Test func largeTransferKeepsEveryOctet() async throws {
    let total = 8 * 1024 * 1024
    let backend = try Backend { _, socket, _ in
      _ = try socket.readHead()
      try socket.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")
      // FIN first, then the data read: both half-closes at once.
      let sum = try socket.readToEnd().reduce(0) { $0 &+ Int($1) }
      try socket.send([UInt8](repeating: 7, count: total))
      try socket.send("\(sum)")
    }
    try await withProxy([backend.address]) { harness in
      let answer = try await blocking { () -> [UInt8] in
        let client = try harness.connect()
        try client.send(upgrade)
        _ = try client.readHead()
        try client.send([UInt8](repeating: 3, count: total))
        client.shutdownOutput()
        return try client.readToEnd()
      }
      #expect(answer.count == total + "\(3 * total)".utf8.count)
      #expect(String(decoding: answer.dropFirst(total), as: UTF8.self) == "\(3 * total)")
    }
  }

  @Test func resetEndsBothSides() async throws {
    let noticed = Gate()
    let backend = try Backend { _, socket, _ in
      _ = try socket.readHead()
      try socket.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")
      if (try? socket.hasMore()) != true { noticed.open() }
    }
    try await withProxy([backend.address]) { harness in
      let client = try harness.connect()
      try await blocking {
        try client.send(upgrade)
        _ = try client.readHead()
        client.reset()
        noticed.wait()
      }
      try await harness.eventually("ended") { $0.replicas[0].tunnels == 0 && $0.connections == 0 }
    }
  }

  @Test func refusedUpgradeIsAnOrdinaryResponse() async throws {
    let backend = try Backend.http { _ in response("no") }
    try await withProxy([backend.address]) { harness in
      try await blocking {
        let client = try harness.connect()
        for _ in 0..<3 {
          try client.send(upgrade)
          #expect(try client.response().text == "no")
        }
      }
    }
  }
}
