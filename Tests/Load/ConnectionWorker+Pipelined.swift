extension ConnectionWorker {
  /// Several requests at once; says whether all got their right answers. Those that are the client's to send again are sent again.
  func attemptPipelined() -> Bool {
    let wanted = Int.random(in: 2...8, using: &random)
    var left = 1
    while left < wanted, run.begin() { left += 1 }
    let started = monotonicNow()
    var right = true
    while left > 0 {
      let connection: ClientSocket
      switch connectionForMore() {
      case .open(let socket): connection = socket
      case .failed(let failure, let detail, let port):
        for _ in 0..<left { _ = lost(failure, detail, port, reused: false) }
        return false
      }
      let reused = carriedRequests > 0
      carriedRequests += left
      var talk = PipelinedExchange(request: RequestBytes.get(path, host: run.host), count: left, reused: reused)
      guard let verdict = converse(connection, &talk) else { return false }
      if verdict.idleReset {
        dropIdleReset()
        continue
      }
      left = 0
      for outcome in verdict.outcomes {
        switch outcome {
        case .ok(let answer): record(answer, started)
        case .again: left += 1
        case .lost(let failure, let detail): right = lost(failure, detail, connection.localPort, reused: reused)
        }
      }
      if !verdict.reusable { drop(verdict.announced ? .announced : nil) }
    }
    return right
  }

  private enum Connection {
    case open(ClientSocket)
    case failed(FailureClass, String, Int)
  }

  private func connectionForMore() -> Connection {
    if let socket {
      switch socket.idleState() {
      case .open: return .open(socket)
      case .closed: drop(.noticed)
      case .reset: dropIdleReset()
      case .unsolicited:
        drop(nil)
        return .failed(.badBody, "bytes on an idle connection that answer nothing", socket.localPort)
      }
    }
    do throws(ClientSocket.ConnectFailure) {
      return .open(try open())
    } catch {
      return .failed(error.failure, error.detail, 0)
    }
  }
}
