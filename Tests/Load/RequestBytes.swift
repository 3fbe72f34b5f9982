import Seeded

/// Writes HTTP/1.1 requests (RFC 9112).
public enum RequestBytes {
  /// A GET of `path`, without a `Connection` field: whether the connection lives on is left to the server.
  public static func get(_ path: String, host: String) -> [UInt8] {
    Array(head("GET", path, host).utf8) + [13, 10]
  }

  /// A POST whose body is announced by `Content-Length`.
  public static func post(_ path: String, host: String, body: ArraySlice<UInt8>) -> [UInt8] {
    var bytes = Array(head("POST", path, host).utf8)
    bytes += Array("Content-Type: application/octet-stream\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
    bytes += body
    return bytes
  }

  /// A POST whose body is sent in chunks of random sizes (RFC 9112 section 7.1).
  public static func postChunked(
    _ path: String, host: String, body: ArraySlice<UInt8>, using random: inout SeededRandom
  ) -> [UInt8] {
    var bytes = Array(head("POST", path, host).utf8)
    bytes += Array("Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
    var rest = body
    while !rest.isEmpty {
      let piece = rest.prefix(Int.random(in: 1...32_768, using: &random))
      bytes += Array("\(String(piece.count, radix: 16))\r\n".utf8)
      bytes += piece
      bytes += [13, 10]
      rest = rest.dropFirst(piece.count)
    }
    bytes += Array("0\r\n\r\n".utf8)
    return bytes
  }

  private static func head(_ method: String, _ path: String, _ host: String) -> String {
    "\(method) \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: lastcall-load\r\nAccept: */*\r\n"
  }
}
