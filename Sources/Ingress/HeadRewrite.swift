import NIOCore

/// Writes heads as they are sent on: hop-by-hop fields out, forwarding fields in, everything else octet by octet as it came.
enum HeadRewrite {
  /// What the proxy knows of the connection a request came on.
  struct Client {
    /// The client's address for X-Forwarded-For, without a port; nil on a unix socket.
    var address: String?
    /// What stands in for Host when a client of HTTP/1.0 sent none.
    var fallbackHost: String
    /// Whether X-Forwarded-Proto and -Host of the client are believed (a proxy in front that sets them).
    var trustsForwarded: Bool
  }

  /// A request as it goes upstream, always as HTTP/1.1.
  static func request(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer, client: Client, into out: inout ByteBuffer) {
    var run = RunWriter(bytes: bytes)
    if head.minorVersion == 1, head.authority == nil {
      run.keep(head.startLine, &out)
    } else {
      run.write(head.methodRange, &out)
      out.writeInteger(ASCII.space)
      if head.target.isEmpty || bytes[head.target.lowerBound] == UInt8(ascii: "?") {
        // RFC 9112 §3.2.1, §3.2.4: an empty path is sent as "/", or as "*" for OPTIONS on the whole server.
        out.writeStaticString(head.method == .options && head.target.isEmpty ? "*" : "/")
      }
      run.write(head.target, &out)
      out.writeStaticString(" HTTP/1.1\r\n")
    }
    var keptProto = false
    var keptHost = false
    for line in head.fields {
      switch line.kind {
      case .other: if head.connection.names(line, of: bytes) { continue }
      case .connection, .keepAlive, .proxyConnection, .te, .upgrade, .forwardedFor: continue
      case .contentLength: if head.framing.repeatsLength { continue }
      case .transferEncoding: break
      case .expect: if !head.expectsContinue { continue }
      case .host: if head.authority != nil { continue }
      case .forwardedProto:
        if !client.trustsForwarded { continue }
        keptProto = true
      case .forwardedHost:
        if !client.trustsForwarded { continue }
        keptHost = true
      }
      run.keep(line.start..<line.end, &out)
    }
    run.flush(&out)
    if head.framing.repeatsLength, let length = head.framing.contentLength { out.writeString("Content-Length: \(length)\r\n") }
    writeHost(head, run, client, &out)
    writeForwardedFor(head, run, client, &out)
    if !keptProto { out.writeStaticString("X-Forwarded-Proto: http\r\n") }
    if !keptHost, let host = head.authority ?? head.host, !host.isEmpty { run.field("X-Forwarded-Host: ", host, &out) }
    if head.wantsUpgrade {
      out.writeStaticString("Connection: upgrade\r\n")
      for line in head.fields where line.kind == .upgrade { run.field("Upgrade: ", line.value, &out) }
    }
    out.writeStaticString("\r\n")
  }

  private static func writeHost(_ head: RequestHead, _ run: RunWriter, _ client: Client, _ out: inout ByteBuffer) {
    if let authority = head.authority {
      run.field("Host: ", authority, &out)
    } else if head.host == nil {
      out.writeString("Host: \(client.fallbackHost)\r\n")
    }
  }

  private static func writeForwardedFor(_ head: RequestHead, _ run: RunWriter, _ client: Client, _ out: inout ByteBuffer) {
    var isFirst = true
    for line in head.fields where line.kind == .forwardedFor && !line.value.isEmpty {
      out.writeStaticString(isFirst ? "X-Forwarded-For: " : ", ")
      isFirst = false
      run.write(line.value, &out)
    }
    if let address = client.address {
      out.writeStaticString(isFirst ? "X-Forwarded-For: " : ", ")
      isFirst = false
      out.writeString(address)
    }
    if !isFirst { out.writeStaticString("\r\n") }
  }

  /// What the client's connection asks of a response's head.
  struct ResponseNeeds {
    /// 0 or 1: the minor version the client speaks.
    var clientMinorVersion: Int
    var closes: Bool
    /// Whether the chunk framing is taken out of the body.
    var decodesChunks: Bool
  }

  /// A response as it goes to the client.
  static func response(_ head: ResponseHead, _ bytes: UnsafeRawBufferPointer, needs: ResponseNeeds, into out: inout ByteBuffer) {
    var run = RunWriter(bytes: bytes)
    if head.minorVersion == 1 {
      run.keep(head.startLine, &out)
    } else {
      out.writeStaticString("HTTP/1.1")
      run.write(head.startLine.lowerBound + Version.length..<head.startLine.upperBound, &out)
    }
    // RFC 9110 §15.2.2, §15.5.22: these two answers have to name the protocol.
    let keepsUpgrade = head.status == 101 || head.status == 426
    var upgrades = false
    for line in head.fields {
      switch line.kind {
      case .connection, .keepAlive, .proxyConnection, .te: continue
      case .upgrade:
        if !keepsUpgrade { continue }
        upgrades = true
      case .contentLength: if head.forbidsFraming || head.framing.repeatsLength { continue }
      case .transferEncoding: if head.forbidsFraming || needs.decodesChunks || needs.clientMinorVersion == 0 { continue }
      case .other: if head.connection.names(line, of: bytes) { continue }
      default: break
      }
      run.keep(line.start..<line.end, &out)
    }
    run.flush(&out)
    if head.framing.repeatsLength, !head.forbidsFraming, let length = head.framing.contentLength {
      out.writeString("Content-Length: \(length)\r\n")
    }
    if !head.isInterim {
      if upgrades { out.writeStaticString("Connection: upgrade\r\n") }
      if head.status != 101 {
        if needs.closes {
          out.writeStaticString("Connection: close\r\n")
        } else if needs.clientMinorVersion == 0 {
          out.writeStaticString("Connection: keep-alive\r\n")
        }
      }
    }
    out.writeStaticString("\r\n")
  }
}

/// Copies ranges of a head, neighbouring ones in one piece.
private struct RunWriter {
  let bytes: UnsafeRawBufferPointer
  private var pending = 0..<0

  init(bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  mutating func keep(_ range: Range<Int>, _ out: inout ByteBuffer) {
    if range.lowerBound == pending.upperBound, !pending.isEmpty {
      pending = pending.lowerBound..<range.upperBound
    } else {
      flush(&out)
      pending = range
    }
  }

  mutating func flush(_ out: inout ByteBuffer) {
    if !pending.isEmpty { write(pending, &out) }
    pending = 0..<0
  }

  func write(_ range: Range<Int>, _ out: inout ByteBuffer) {
    out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[range]))
  }

  func field(_ name: StaticString, _ value: Range<Int>, _ out: inout ByteBuffer) {
    out.writeStaticString(name)
    write(value, &out)
    out.writeStaticString("\r\n")
  }
}
