import NIOCore

/// An answer of the proxy's own.
struct LocalResponse {
  let status: Int
  let explanation: String
  /// Seconds for Retry-After (RFC 9110 §10.2.3).
  var retryAfter: Int?

  init(_ status: Int, _ explanation: String, retryAfter: Int? = nil) {
    self.status = status
    self.explanation = explanation
    self.retryAfter = retryAfter
  }

  init(_ error: MessageError) {
    self.init(error.status, error.explanation)
  }

  init(_ refusal: ReplicaPool.Refusal) {
    switch refusal {
    case .noReplica: self.init(503, "No replica became ready in time.", retryAfter: 1)
    case .holdFull: self.init(503, "Too many requests wait for a replica.", retryAfter: 1)
    case .stopped: self.init(503, "The service is stopped.", retryAfter: 1)
    case .unreachable: self.init(502, "No replica could be connected to.")
    }
  }

  static let badGateway = LocalResponse(502, "The replica closed the connection or sent no valid response.")
  static let gatewayTimeout = LocalResponse(504, "The replica did not answer in time.")
  static let requestTimeout = LocalResponse(408, "The request did not arrive in time.")

  /// The response as octets.
  ///
  /// - Parameters:
  ///   - isHead: whether it answers HEAD and so has no body.
  ///   - needs: what the client's connection asks for.
  func serialized(isHead: Bool, needs: HeadRewrite.ResponseNeeds) -> ByteBuffer {
    var out = ByteBuffer()
    out.writeString("HTTP/1.1 \(status) ")
    out.writeStaticString(Self.reason(status))
    out.writeStaticString("\r\n")
    out.writeString("Content-Type: text/plain; charset=utf-8\r\nContent-Length: \(explanation.utf8.count + 1)\r\n")
    if let retryAfter { out.writeString("Retry-After: \(retryAfter)\r\n") }
    // RFC 9110 §15.5.6: a 405 names the methods that are allowed.
    if status == 405 { out.writeStaticString("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n") }
    if needs.closes {
      out.writeStaticString("Connection: close\r\n")
    } else if needs.clientMinorVersion == 0 {
      out.writeStaticString("Connection: keep-alive\r\n")
    }
    out.writeStaticString("\r\n")
    if !isHead { out.writeString("\(explanation)\n") }
    return out
  }

  private static func reason(_ status: Int) -> StaticString {
    switch status {
    case 400: "Bad Request"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 417: "Expectation Failed"
    case 431: "Request Header Fields Too Large"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Error"
    }
  }
}
