/// Why a message from a peer was refused. Every case that could let two parties disagree about where a message ends
/// (request smuggling) is an error here, never a repair.
enum MessageError: Error, Equatable {
  case badStartLine
  case badTarget
  case unsupportedVersion
  case bareCarriageReturn
  case bareLineFeed
  case obsoleteFolding
  case badFieldName
  case badFieldValue
  case tooManyFields
  case headTooLarge
  case badContentLength
  case conflictingFraming
  case badTransferCoding
  case unknownTransferCoding
  case badHost
  case badConnectionOption
  case unsupportedExpectation
  case connectRefused
  case badChunk
  case badTrailer

  /// The status that a server answers such a request with (RFC 9110 §15, RFC 6585 §5 for 431).
  var status: Int {
    switch self {
    case .headTooLarge, .tooManyFields: 431
    case .unknownTransferCoding: 501
    case .unsupportedVersion: 505
    case .unsupportedExpectation: 417
    case .connectRefused: 405
    default: 400
    }
  }

  /// One sentence for the body of that answer.
  var explanation: String {
    switch self {
    case .badStartLine: "The request line is malformed."
    case .badTarget: "The request target is malformed."
    case .unsupportedVersion: "Only HTTP/1.1 and HTTP/1.0 are spoken here."
    case .bareCarriageReturn: "A carriage return stands alone in the head."
    case .bareLineFeed: "A line of the head ends without a carriage return."
    case .obsoleteFolding: "A header field is folded over two lines."
    case .badFieldName: "A header field name is malformed."
    case .badFieldValue: "A header field value has a control character."
    case .tooManyFields: "The head has too many fields."
    case .headTooLarge: "The head is too large."
    case .badContentLength: "Content-Length is malformed or contradicts itself."
    case .conflictingFraming: "Content-Length and Transfer-Encoding exclude each other."
    case .badTransferCoding: "Transfer-Encoding is malformed."
    case .unknownTransferCoding: "The transfer coding is not supported; send chunked or a Content-Length."
    case .badHost: "Exactly one valid Host field is needed."
    case .badConnectionOption: "The Connection field is malformed."
    case .unsupportedExpectation: "The only supported expectation is 100-continue."
    case .connectRefused: "CONNECT is not supported here."
    case .badChunk: "The chunked body is malformed."
    case .badTrailer: "The trailer section is malformed."
    }
  }
}
