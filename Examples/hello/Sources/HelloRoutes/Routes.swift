import Glibc
import HTTPTypes
import Hummingbird

/// The 64-bit FNV-1a hash (RFC 9923).
struct FNV1a {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func combine(_ buffer: ByteBuffer) {
    var hash = value
    buffer.withUnsafeReadableBytes { bytes in
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    value = hash
  }

  /// 16 lower-case hexadecimal digits.
  var hex: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

private struct Upload: ResponseEncodable {
  var bytes: Int
  var fnv: String
}

/// What the server answers.
///
/// - Parameter isReady: Whether the program still wants requests.
package func makeRouter(isReady: @escaping @Sendable () -> Bool) -> Router<BasicRequestContext> {
  let router = Router()
  router.get("/") { _, _ in "hello from \(getpid())\n" }
  router.get("/healthz") { _, _ in "ok\n" }
  router.get("/readyz") { _, _ in
    let isReady = isReady()
    return Response(
      status: isReady ? .ok : .serviceUnavailable, headers: [.contentType: "text/plain; charset=utf-8"],
      body: .init(byteBuffer: ByteBuffer(string: isReady ? "ready\n" : "stopping\n")))
  }
  router.get("/slow") { request, _ in
    let pause = try number(request, "ms", ifAbsent: 1_000, upTo: 60_000)
    try await Task.sleep(for: .milliseconds(pause))
    return "slept \(pause) ms\n"
  }
  router.get("/stream") { request, _ in
    let chunks = try number(request, "chunks", ifAbsent: 20, upTo: 10_000)
    let pause = try number(request, "ms", ifAbsent: 50, upTo: 10_000)
    return Response(
      status: .ok, headers: [.contentType: "text/plain; charset=utf-8"],
      body: .init { writer in
        for chunk in 1...max(1, chunks) {
          if chunk > 1 { try await Task.sleep(for: .milliseconds(pause)) }
          try await writer.write(ByteBuffer(string: "chunk \(chunk) of \(chunks)\n"))
        }
        try await writer.finish(nil)
      })
  }
  router.post("/upload") { request, _ in
    var hash = FNV1a()
    var count = 0
    for try await piece in request.body {
      hash.combine(piece)
      count += piece.readableBytes
    }
    return Upload(bytes: count, fnv: hash.hex)
  }
  return router
}

private func number(_ request: Request, _ name: Substring, ifAbsent standard: Int, upTo most: Int) throws -> Int {
  guard let text = request.uri.queryParameters[name] else { return standard }
  guard let number = Int(text), (0...most).contains(number) else {
    throw HTTPError(.badRequest, message: "\(name) must be a number from 0 to \(most)")
  }
  return number
}
