extension ConnectionWorker {
  private static let largestMessage = 1_000
  /// A server that closes every connection before a message can be sent must not keep the client for ever.
  private static let mostConnections = 100

  /// One message; says whether it was echoed.
  func attemptWebSocket() -> Bool {
    let started = monotonicNow()
    for _ in 0..<Self.mostConnections {
      if session == nil, !upgrade() { return false }
      guard let connection = socket, var talk = session else { continue }
      let reused = carriedRequests > 0
      if let end = lookAround(connection, &talk) {
        endSession(end)
        if case .closed = end { continue }
        return lost(end, connection, reused: reused)
      }
      carriedRequests += 1
      let length = Int.random(in: 1...Self.largestMessage, using: &random)
      talk.send(random.bytes(length).map { 0x20 | $0 & 0x1f }, mask: UInt32.random(in: 0...UInt32.max, using: &random))
      let verdict = converse(connection, &talk)
      session = talk
      if verdict == .echoed {
        record(nil, started)
        return true
      }
      endSession(verdict)
      return lost(verdict, connection, reused: reused)
    }
    return lost(.unexpectedStatus, "\(Self.mostConnections) connections were closed before a message could be sent", 0, reused: false)
  }

  /// Tells the server that the run is over.
  func leaveWebSocket() {
    guard let socket, let session, !session.isClosing else { return }
    _ = socket.send(WebSocketSession.farewell(mask: UInt32.random(in: 0...UInt32.max, using: &random))[...])
  }

  private func upgrade() -> Bool {
    let connection: ClientSocket
    do throws(ClientSocket.ConnectFailure) {
      connection = try open()
    } catch {
      return lost(error.failure, error.detail, 0, reused: false)
    }
    var talk = WebSocketSession(path: path, host: run.host)
    let verdict = converse(connection, &talk)
    guard verdict == .upgraded else {
      endSession(verdict)
      return lost(verdict, connection, reused: false)
    }
    session = talk
    return true
  }

  /// Takes in what came between messages. A verdict is the end of the connection.
  private func lookAround(_ connection: ClientSocket, _ talk: inout WebSocketSession) -> WebSocketSession.Verdict? {
    while true {
      if let verdict = talk.handle(.received([])) { return verdict }
      if talk.isClosing { return converse(connection, &talk) ?? .lost(.timeout, "") }
      guard connection.wait(writing: false, milliseconds: 0).readable else { return nil }
      guard let event = connection.receive(into: &buffer, limit: buffer.count) else { return nil }
      if let verdict = talk.handle(event) { return verdict }
    }
  }

  private func endSession(_ verdict: WebSocketSession.Verdict?) {
    session = nil
    if case .closed = verdict { drop(.announced) } else { drop(nil) }
  }

  private func lost(_ verdict: WebSocketSession.Verdict?, _ connection: ClientSocket, reused: Bool) -> Bool {
    switch verdict {
    case .lost(let failure, let detail): lost(failure, detail, connection.localPort, reused: reused)
    case .closed: lost(.unanswered, "the server's Close frame came instead of the echo", connection.localPort, reused: reused)
    case .upgraded, .echoed, nil: lost(.timeout, "no verdict", connection.localPort, reused: reused)
    }
  }
}
