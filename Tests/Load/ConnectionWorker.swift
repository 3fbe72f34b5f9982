import Glibc
import Seeded

/// Keeps one connection busy: sends, reads, tells the ``Exchange`` what the socket says, counts its verdicts.
final class ConnectionWorker {
  /// How a reader holds itself back.
  private struct Pace {
    var piece: Int
    var pause: UInt32

    static let unlimited = Pace(piece: 65_536, pause: 0)
  }

  private static let pauseAfterFailure: UInt32 = 20_000
  private static let slowReadPieces: UInt64 = 20

  let run: LoadRun
  private let index: Int
  private let behaviour: Behaviour
  private let keepsConnection: Bool
  let path: String
  var random: SeededRandom
  private let bodies: [UInt8]
  var buffer = [UInt8](repeating: 0, count: 65_536)
  private(set) var socket: ClientSocket?
  var session: WebSocketSession?
  var carriedRequests = 0
  private var lastServerClose: ServerClose?
  private var requestNumber = 0
  private var hadAnswer = false

  enum ServerClose {
    case announced
    case noticed
  }

  init(run: LoadRun, index: Int, behaviour: Behaviour, keepsConnection: Bool) {
    self.run = run
    self.index = index
    self.behaviour = behaviour
    self.keepsConnection = keepsConnection
    path = run.plan.path(behaviour)
    random = SeededRandom(seed: run.plan.seed &+ UInt64(index) &* 0x1000_0000_01b3)
    bodies = behaviour == .post ? random.bytes(2 * LoadPlan.largestBody) : []
  }

  /// Sends requests until the run is over.
  func work() {
    while run.begin() {
      if !attemptOfBehaviour() { usleep(Self.pauseAfterFailure) }
      think()
    }
    leaveWebSocket()
  }

  private func think() {
    let end = monotonicNow() + run.plan.think.nanoseconds
    while !run.isOver {
      let now = monotonicNow()
      guard now < end else { return }
      usleep(UInt32(min(end - now, 50_000_000) / 1_000) + 1)
    }
  }

  private func attemptOfBehaviour() -> Bool {
    switch behaviour {
    case .pipelined: attemptPipelined()
    case .websocket: attemptWebSocket()
    case .keepAlive, .new, .slow, .stream, .post: attempt()
    }
  }

  /// One request; says whether it got its right answer.
  private func attempt() -> Bool {
    let started = monotonicNow()
    let (request, expectation) = makeRequest()
    while true {
      if let socket {
        switch socket.idleState() {
        case .open: break
        case .closed: drop(.noticed)
        case .reset: dropIdleReset()
        case .unsolicited:
          drop(nil)
          return lost(.badBody, "bytes on an idle connection that answer nothing", socket.localPort, reused: true)
        }
      }
      let connection: ClientSocket
      do throws(ClientSocket.ConnectFailure) {
        if let socket { connection = socket } else { connection = try open() }
      } catch {
        return lost(error.failure, error.detail, 0, reused: false)
      }
      let reused = carriedRequests > 0
      carriedRequests += 1
      switch exchange(connection, request, expectation, reused: reused) {
      case .idleReset:
        // Nothing of the request was sent: sending it on a new connection repeats nothing.
        dropIdleReset()
      case .lost(let failure, let detail):
        drop(nil)
        return lost(failure, detail, connection.localPort, reused: reused)
      case .ok(let answer):
        return finish(answer, started, connection.localPort, reused: reused)
      }
    }
  }

  private func makeRequest() -> ([UInt8], Exchange.Expectation) {
    requestNumber += 1
    guard behaviour == .post else {
      let compared = run.plan.sameBody && (behaviour == .slow || behaviour == .stream)
      return (RequestBytes.get(path, host: run.host), Exchange.Expectation(body: compared ? run.expectedBody(path) : nil))
    }
    // Sizes are spread evenly over their orders of magnitude: small bodies meet other code paths than large ones.
    let magnitude = Int.random(in: 0...18, using: &random)
    let size = min(Int.random(in: (1 << magnitude)...(2 << magnitude), using: &random), LoadPlan.largestBody)
    let start = Int.random(in: 0...(bodies.count - size), using: &random)
    let body = bodies[start..<(start + size)]
    let request =
      requestNumber.isMultiple(of: 2)
      ? RequestBytes.postChunked(path, host: run.host, body: body, using: &random)
      : RequestBytes.post(path, host: run.host, body: body)
    let upload = run.plan.verifyPost ? Exchange.Expectation.Upload(of: body) : nil
    return (request, Exchange.Expectation(statuses: run.plan.acceptPost, upload: upload))
  }

  func open() throws(ClientSocket.ConnectFailure) -> ClientSocket {
    let readsSlowly = behaviour == .stream || (behaviour == .slow && run.plan.slowRead)
    let made = try ClientSocket.connect(
      to: run.target, milliseconds: run.plan.timeout.pollMilliseconds, receiveBuffer: readsSlowly ? 16_384 : nil)
    run.update(index) { tally in
      tally.opened += 1
      if lastServerClose != nil { tally.reopened += 1 }
      if lastServerClose == .announced { tally.announced += 1 }
    }
    lastServerClose = nil
    socket = made
    carriedRequests = 0
    return made
  }

  func drop(_ close: ServerClose?) {
    socket = nil
    lastServerClose = close
  }

  func dropIdleReset() {
    drop(nil)
    run.update(index) { $0.idleReset += 1 }
  }

  private func exchange(
    _ connection: ClientSocket, _ request: [UInt8], _ expectation: Exchange.Expectation, reused: Bool
  ) -> Exchange.Verdict {
    var exchange = Exchange(reused: reused, requestBytes: request.count, expectation: expectation)
    let silence = run.plan.timeout.pollMilliseconds
    let bound = monotonicNow() + 4 * run.plan.timeout.nanoseconds
    while true {
      guard monotonicNow() < bound else { return exchange.handle(.overrun) ?? .lost(.timeout, "") }
      let ready = connection.wait(writing: exchange.wantsToSend, milliseconds: silence)
      if ready.isNone { return exchange.handle(.silence) ?? .lost(.timeout, "") }
      if ready.readable {
        let pace = pace(exchange)
        if let event = connection.receive(into: &buffer, limit: pace.piece) {
          if let verdict = exchange.handle(event) { return verdict }
          if pace.pause > 0 { usleep(pace.pause) }
        }
      }
      if ready.writable, exchange.wantsToSend, let event = connection.send(request[exchange.bytesSent...]) {
        if let verdict = exchange.handle(event) { return verdict }
      }
    }
  }

  private func pace(_ exchange: Exchange) -> Pace {
    switch behaviour {
    case .stream: return Pace(piece: 4_096, pause: 2_000)
    case .slow where run.plan.slowRead:
      let piece = exchange.contentLength.map { Int(clamping: $0 / Self.slowReadPieces + 1) } ?? 512
      return Pace(piece: piece, pause: UInt32(1_000_000 / Self.slowReadPieces))
    default: return .unlimited
    }
  }

  private func finish(_ answer: Exchange.Answer, _ started: UInt64, _ port: Int, reused: Bool) -> Bool {
    if !answer.reusable {
      drop(keepsConnection ? .announced : nil)
    } else if !keepsConnection {
      drop(nil)
    }
    if run.plan.sameBody, behaviour == .slow || behaviour == .stream, !run.isSameBody(path, answer.bodyHash) {
      return lost(.badBody, "the body differs from the first one of this path", port, reused: reused)
    }
    record(answer, started)
    return true
  }

  /// Counts a right answer.
  func record(_ answer: Exchange.Answer?, _ started: UInt64) {
    let microseconds = (monotonicNow() - started) / 1_000
    run.update(index) { $0.recordOK(behaviour, microseconds: microseconds, replica: answer?.replica) }
    if !hadAnswer {
      hadAnswer = true
      run.connectionIsReady()
    }
  }

  func lost(_ failure: FailureClass, _ detail: String, _ port: Int, reused: Bool) -> Bool {
    let offset = run.elapsed(monotonicNow())
    run.update(index) {
      $0.recordLost(
        FailureSample(offset: offset, behaviour: behaviour, failure: failure, detail: detail, localPort: port, reused: reused))
    }
    return false
  }
}
