/// One request and its response on a connection that is made: judges what happened from what the socket said.
///
/// It does no I/O and knows no clock; the same events give the same verdict.
public struct Exchange: Sendable {
  /// What the socket said.
  public enum Event: Sendable, Equatable {
    /// That many more bytes of the request were taken by the kernel.
    case sent(Int)
    /// The kernel refused to take more: errno.
    case sendFailed(Int32)
    /// Bytes came.
    case received(ArraySlice<UInt8>)
    /// The server has ended its side.
    case endOfStream
    /// Reading failed: errno.
    case receiveFailed(Int32)
    /// No byte moved for the time limit.
    case silence
    /// The whole exchange takes longer than its bound.
    case overrun
  }

  /// What is a right answer.
  public struct Expectation: Sendable, Equatable {
    /// The statuses that count as right; nil means 200 to 299.
    public var statuses: Set<Int>?
    /// What the server must say it received: the body's length and FNV-1a hash.
    public var upload: Upload?
    /// The FNV-1a hash the body must have.
    public var body: UInt64?

    /// The length and hash of a request body.
    public struct Upload: Sendable, Equatable, Codable {
      /// The length in bytes.
      public var bytes: Int
      /// The FNV-1a 64 hash as 16 hexadecimal digits.
      public var fnv: String

      /// The length and hash of `body`.
      public init(of body: ArraySlice<UInt8>) {
        var hash = FNV1a()
        hash.combine(body)
        bytes = body.count
        fnv = hash.hex
      }
    }

    /// An expectation; without arguments: any status from 200 to 299, any body.
    public init(statuses: Set<Int>? = nil, upload: Upload? = nil, body: UInt64? = nil) {
      self.statuses = statuses
      self.upload = upload
      self.body = body
    }
  }

  /// A whole and right answer.
  public struct Answer: Sendable, Equatable {
    /// The status.
    public var status: Int
    /// The FNV-1a hash of the body.
    public var bodyHash: UInt64
    /// Which server answered: the field `x-replica`, else the number in a short body such as `hello from 123`.
    public var replica: String?
    /// Whether another request may follow on this connection.
    public var reusable: Bool
    /// Whether the response said that the server closes the connection.
    public var announcesClose = false
    /// Whether the response's end did not depend on the connection's end.
    public var isFramed = true
  }

  /// How an exchange ended.
  public enum Verdict: Sendable, Equatable {
    /// A whole and right answer.
    case ok(Answer)
    /// The connection was reset while it was idle; nothing was sent, so nothing is lost.
    case idleReset
    /// Everything else.
    case lost(FailureClass, String)
  }

  private let reused: Bool
  private let requestBytes: Int
  private let expectation: Expectation
  private let isPipelined: Bool
  private var sendError: Int32?
  private var parser = ResponseParser()
  private var hash = FNV1a()
  private var bodyStart: [UInt8] = []
  private var bodyBytes = 0

  /// How many bytes of the request the kernel has taken.
  public private(set) var bytesSent = 0
  /// What came behind the response, where requests are pipelined.
  private(set) var excess: ArraySlice<UInt8> = []

  /// An exchange that is about to send.
  /// - Parameters:
  ///   - reused: whether the connection carried a request before.
  ///   - requestBytes: the length of the request.
  ///   - expectation: what is a right answer.
  ///   - isPipelined: whether bytes behind the response are those of the next one.
  public init(reused: Bool, requestBytes: Int, expectation: Expectation, isPipelined: Bool = false) {
    self.isPipelined = isPipelined
    self.reused = reused
    self.requestBytes = requestBytes
    self.expectation = expectation
  }

  /// Whether there is something left to send that the server may still take.
  public var wantsToSend: Bool { sendError == nil && bytesSent < requestBytes }

  /// The announced length of the response body, once known.
  public var contentLength: UInt64? { parser.contentLength }

  /// Takes in one event; gives the verdict when that ends the exchange.
  public mutating func handle(_ event: Event) -> Verdict? {
    switch event {
    case .sent(let count):
      bytesSent += count
      return nil
    case .sendFailed(let code):
      // A response may have been sent before the server stopped reading: it is read before anything is judged.
      sendError = code
      return reused && bytesSent == 0 && !parser.hasStarted ? .idleReset : nil
    case .received(let bytes): return receive(bytes)
    case .endOfStream:
      if parser.endOfStream() { return judge() }
      return ended("the server closed the connection")
    case .receiveFailed(let code): return ended(errnoText(code))
    case .silence: return .lost(.timeout, "no byte moved for the time limit, \(position)")
    case .overrun: return .lost(.timeout, "the exchange took longer than its bound, \(position)")
    }
  }

  private var position: String {
    "\(bytesSent) of \(requestBytes) bytes sent, \(parser.position)"
  }

  private mutating func receive(_ bytes: ArraySlice<UInt8>) -> Verdict? {
    var (hash, start, count) = (self.hash, bodyStart, bodyBytes)
    do {
      try parser.receive(bytes) { piece in
        hash.combine(piece)
        start += piece.prefix(1024 - start.count)
        count += piece.count
      }
    } catch FramingError.excess(let more) where isPipelined {
      excess = bytes.suffix(more)
    } catch {
      return .lost(.badBody, "invalid response: \(error), \(position)")
    }
    (self.hash, bodyStart, bodyBytes) = (hash, start, count)
    return parser.isComplete ? judge() : nil
  }

  private func ended(_ how: String) -> Verdict {
    let cause = sendError.map { "sending failed: \(errnoText($0)), then \(how)" } ?? how
    if parser.hasStarted { return .lost(.cut, "\(cause), \(position)") }
    if reused, bytesSent == 0 { return .idleReset }
    return .lost(.resetBeforeResponse, "\(cause), \(position)")
  }

  private func judge() -> Verdict {
    guard let head = parser.head else { return .lost(.badBody, "a response without a head") }
    let accepted = expectation.statuses?.contains(head.status) ?? (200...299).contains(head.status)
    guard accepted else {
      let failure: FailureClass = (500...599).contains(head.status) ? .status5xx : .unexpectedStatus
      return .lost(failure, "status \(head.status)")
    }
    if let wrong = wrongBody(head) { return .lost(.badBody, wrong) }
    let wholeRequestSent = bytesSent == requestBytes && sendError == nil
    return .ok(
      Answer(
        status: head.status, bodyHash: hash.value, replica: replica(head), reusable: wholeRequestSent && !head.closes && framed(head),
        announcesClose: head.closes, isFramed: framed(head)))
  }

  /// Whether the response's end did not depend on the connection's end.
  private func framed(_ head: ResponseHead) -> Bool {
    parser.contentLength != nil || !head.values("transfer-encoding").isEmpty || [204, 304].contains(head.status)
  }

  private func wrongBody(_ head: ResponseHead) -> String? {
    let announced = head.values("x-fnv") + parser.trailers.filter { $0.name == "x-fnv" }.map(\.value)
    if let wanted = announced.first(where: { $0 != hash.hex }) {
      return "the body's hash is \(hash.hex), x-fnv says \(wanted.prefix(32)) (\(bodyBytes) bytes)"
    }
    if let wanted = expectation.body, wanted != hash.value {
      return "the body (\(bodyBytes) bytes) differs from the first one of this path"
    }
    guard let upload = expectation.upload else { return nil }
    guard let answer = UploadAnswer.read(bodyStart) else {
      return "no JSON with bytes and fnv in the answer to a POST: '\(String(decoding: bodyStart.prefix(60), as: UTF8.self))'"
    }
    return answer == upload
      ? nil : "sent \(upload.bytes) bytes with hash \(upload.fnv), the server received \(answer.bytes) with hash \(answer.fnv)"
  }

  private func replica(_ head: ResponseHead) -> String? {
    if let named = head.values("x-replica").first { return String(named.prefix(64)) }
    guard bodyBytes <= 128 else { return nil }
    let words = String(decoding: bodyStart, as: UTF8.self).split { $0.isWhitespace || $0 == ":" || $0 == "=" }
    guard let mark = words.firstIndex(where: { $0 == "from" || $0.lowercased() == "pid" }), mark + 1 < words.count else { return nil }
    return UInt32(words[mark + 1]).map(String.init)
  }
}
