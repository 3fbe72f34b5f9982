import Foundation
import Testing

@testable import Load

/// Real sockets: each way a server can fail must land in exactly its class.
@Suite struct ClassificationTests {
  private func plan(_ server: ScriptedServer, _ mix: String = "keep-alive=1", requests: Int = 2) throws -> LoadPlan {
    var plan = LoadPlan(target: try #require(Endpoint(parsing: "http://127.0.0.1:\(server.port)")))
    plan.connections = 1
    plan.mix = try Mix(parsing: mix)
    plan.requests = requests
    plan.seed = 7
    // Only what a test is about may depend on how fast the machine is.
    plan.timeout = .seconds(120)
    plan.duration = LoadPlan.longestDuration
    return plan
  }

  /// The failures of a run that sends `requests` to a server which treats every connection alike.
  private func failures(
    _ mix: String = "keep-alive=1", requests: Int = 2, change: (inout LoadPlan) -> Void = { _ in },
    handler: @escaping @Sendable (ServerConnection) -> Void
  ) async throws -> (report: LoadReport, counts: [FailureClass: Int]) {
    let server = try ScriptedServer(handler: handler)
    var plan = try plan(server, mix, requests: requests)
    change(&plan)
    let report = await LoadRun(plan).besideThePool()
    #expect(report.requests == requests)
    #expect(report.lost == report.failures.values.reduce(0, +))
    #expect(report.samples.count == min(report.lost, 20))
    return (report, report.failures.filter { $0.value > 0 })
  }

  @Test func refused() async throws {
    let server = try ScriptedServer(handler: nil)
    let report = await LoadRun(try plan(server)).besideThePool()
    #expect(report.failures.filter { $0.value > 0 } == [.refused: 2])
    #expect(report.samples.first?.detail.contains("Connection refused") == true)
  }

  @Test func connectTimeout() async throws {
    let server = try ScriptedServer(backlog: 0) { _ in }
    let target = try #require(Endpoint(parsing: "http://127.0.0.1:\(server.port)"))
    // One connection fits into a queue of backlog 0; the next SYN is dropped.
    let filler = try ClientSocket.connect(to: target, milliseconds: 5_000, receiveBuffer: nil)
    var plan = try plan(server)
    plan.timeout = .milliseconds(200)
    let report = await LoadRun(plan).besideThePool()
    #expect(report.failures.filter { $0.value > 0 } == [.connectTimeout: 2])
    #expect(filler.idleState() == .open)
  }

  @Test func resetAfterTheRequest() async throws {
    let (report, counts) = try await failures { connection in
      _ = connection.readRequest()
      connection.reset()
    }
    #expect(counts == [.resetBeforeResponse: 2])
    #expect(report.samples.first?.detail.contains("Connection reset by peer") == true)
    #expect((report.samples.first?.localPort ?? 0) > 0)
  }

  @Test func closedAfterTheRequest() async throws {
    let (_, counts) = try await failures { connection in _ = connection.readRequest() }
    #expect(counts == [.resetBeforeResponse: 2])
  }

  @Test func closedAfterALaterRequestOfAReusedConnection() async throws {
    let (report, counts) = try await failures(requests: 4) { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
      _ = connection.readRequest()
    }
    #expect(counts == [.resetBeforeResponse: 2])
    #expect(report.samples.allSatisfy { $0.reused })
    #expect(report.ok == 2)
    #expect(report.reopened == 0)
  }

  @Test func resetWhileTheBodyIsSent() async throws {
    let (_, counts) = try await failures("post=1", requests: 20) { connection in connection.reset() }
    #expect(counts == [.resetBeforeResponse: 20])
  }

  @Test(arguments: [
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n",
    "HTTP/1.1 200 OK\r\nContent-Le",
    "H",
    "HTTP/1.1 100 Continue\r\n\r\n",
  ])
  func cut(_ text: String) async throws {
    for resets in [false, true] {
      let (_, counts) = try await failures { connection in
        _ = connection.readRequest()
        connection.send(text)
        if resets { connection.reset() }
      }
      #expect(counts == [.cut: 2])
    }
  }

  @Test func status503IsOneClassAndStatus404Another() async throws {
    let (_, counts) = try await failures { connection in
      while connection.readRequest() != nil { connection.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") }
    }
    #expect(counts == [.status5xx: 2])
    let (_, others) = try await failures { connection in
      while connection.readRequest() != nil { connection.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") }
    }
    #expect(others == [.unexpectedStatus: 2])
  }

  @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345"])
  func stall(_ text: String) async throws {
    let (_, counts) = try await failures(change: { $0.timeout = .seconds(1) }) { connection in
      _ = connection.readRequest()
      connection.send(text)
      connection.awaitEnd()
    }
    #expect(counts == [.timeout: 2])
  }

  @Test(arguments: [
    "garbage\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-fnv: 0000000000000000\r\n\r\nok",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-fnv: 1\r\n\r\n",
  ])
  func badBody(_ text: String) async throws {
    let (_, counts) = try await failures { connection in
      _ = connection.readRequest()
      connection.send(text)
      connection.awaitEnd()
    }
    #expect(counts == [.badBody: 2])
  }

  @Test func aChangedBodyIsBadWhenBodiesMustBeTheSame() async throws {
    let (report, counts) = try await failures("stream=1", requests: 3, change: { $0.sameBody = true }) { connection in
      var count = 0
      while connection.readRequest() != nil {
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\(count / 2)")
        count += 1
      }
    }
    #expect(counts == [.badBody: 1])
    #expect(report.ok == 2)
  }

  @Test func cleanCloseOfAnIdleConnectionLosesNothing() async throws {
    // The FIN is in the segment of the response, so the client cannot send between the two.
    let (report, counts) = try await failures(requests: 5) { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", more: true)
    }
    #expect(counts.isEmpty)
    #expect((report.ok, report.opened, report.reopened, report.announced) == (5, 5, 4, 0))
  }

  @Test func announcedCloseLosesNothing() async throws {
    let (report, counts) = try await failures(requests: 5) { connection in
      _ = connection.readRequest()
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
      connection.awaitEnd()
    }
    #expect(counts.isEmpty)
    #expect((report.ok, report.opened, report.reopened, report.announced) == (5, 5, 4, 4))
  }

  @Test func idleStates() throws {
    for (text, resets, expected) in [
      ("", false, ClientSocket.IdleState.closed), ("", true, .reset), ("HTTP/1.1 408 Timeout\r\n", false, .closed),
      ("x", false, .unsolicited),
    ] {
      let server = try ScriptedServer { connection in
        connection.send(text)
        if resets { connection.reset() }
      }
      let target = try #require(Endpoint(parsing: "http://127.0.0.1:\(server.port)"))
      let socket = try ClientSocket.connect(to: target, milliseconds: 5_000, receiveBuffer: nil)
      #expect(socket.wait(writing: false, milliseconds: 10_000).readable)
      #expect(socket.idleState() == expected)
    }
  }

  @Test func anEarlyAnswerToAPostIsReadAlthoughTheServerStopsReading() async throws {
    let (_, counts) = try await failures("post=1", requests: 10) { connection in
      connection.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
      connection.awaitEnd()
    }
    #expect(counts == [.unexpectedStatus: 10])
  }
}
