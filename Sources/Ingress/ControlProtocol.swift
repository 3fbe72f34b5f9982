import Foundation
import NIOCore

/// What the proxy reports without being asked.
public enum IngressEvent: Sendable, Equatable {
  /// Nothing is in flight on a draining replica any more; comes once for each drain.
  case drained(replica: String)
  /// The proxy itself has begun to drain.
  case closing
}

/// The control protocol, version 1: one JSON object a line, both ways.
enum ControlProtocol {
  static let version = 1
  /// The most octets of a line, without its line feed. The status of `IngressLimits.maxReplicas` replicas fits an answer.
  static let requestLimit = 16 * 1024
  static let answerLimit = 1024 * 1024

  struct Request: Codable, Equatable {
    var v: Int
    var id: Int
    var op: String
    var replica: String?
    var address: String?
  }

  struct Answer: Codable, Equatable {
    var id: Int?
    var ok: Bool?
    var error: String?
    var v: Int?
    var pid: Int?
    var inFlight: Int?
    var tunnels: Int?
    var drained: Bool?
    var status: IngressStatus?

    init(ok id: Int) {
      self.id = id
      ok = true
    }

    init(id: Int?, error: String) {
      self.id = id
      self.error = error
    }
  }

  private struct Event: Codable {
    var event: String
    var replica: String?
  }

  /// What the proxy sends: an answer or an event.
  enum Message {
    case answer(Answer)
    case event(IngressEvent)
    /// An event of a later version.
    case unknown
  }

  static func encode(_ request: Request) throws -> ByteBuffer { try line(request) }

  static func encode(_ answer: Answer) throws -> ByteBuffer { try line(answer) }

  static func encode(_ event: IngressEvent) throws -> ByteBuffer {
    switch event {
    case .drained(let replica): try line(Event(event: "drained", replica: replica))
    case .closing: try line(Event(event: "closing", replica: nil))
    }
  }

  /// Reads a request; what cannot be read becomes the answer to it.
  static func decodeRequest(_ line: ByteBuffer) -> Result<Request, Refused> {
    struct Loose: Codable {
      var v: Int?
      var id: Int?
    }
    let data = Data(line.readableBytesView)
    let loose = try? JSONDecoder().decode(Loose.self, from: data)
    if let v = loose?.v, v != version {
      return .failure(Refused(id: loose?.id, reason: "protocol version \(v) is not spoken here; this is version \(version)"))
    }
    do {
      return .success(try JSONDecoder().decode(Request.self, from: data))
    } catch {
      return .failure(
        Refused(id: loose?.id, reason: "a request is a JSON object with v (\(version)), id (a number) and op (a string) on one line"))
    }
  }

  static func decodeMessage(_ line: ByteBuffer) throws -> Message {
    let data = Data(line.readableBytesView)
    let event = try? JSONDecoder().decode(Event.self, from: data)
    switch (event?.event, event?.replica) {
    case ("drained", let replica?): return .event(.drained(replica: replica))
    case ("closing", _): return .event(.closing)
    case (nil, _): return .answer(try JSONDecoder().decode(Answer.self, from: data))
    default: return .unknown
    }
  }

  struct Refused: Error {
    var id: Int?
    var reason: String
  }

  private static func line(_ value: some Encodable) throws -> ByteBuffer {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var buffer = ByteBuffer()
    buffer.writeBytes(try encoder.encode(value))
    buffer.writeInteger(ASCII.lineFeed)
    return buffer
  }
}
