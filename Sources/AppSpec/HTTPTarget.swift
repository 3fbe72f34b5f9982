import StopPlan

/// What a probe or a hook asks a replica by HTTP, on 127.0.0.1.
public struct HTTPTarget: Equatable, Codable, Sendable {
  /// The methods that a hook may use.
  public enum Method: String, CaseIterable, Codable, Sendable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
  }

  /// The method; GET unless written, as Kubernetes' httpGet handlers do. A probe's is GET.
  public var method: Method
  /// The request target, beginning with a slash.
  public var path: String
  /// The port, or nil for the replica's own (`via: proxy`).
  public var port: Int?

  /// A request.
  public init(method: Method = .get, path: String, port: Int? = nil) {
    self.method = method
    self.path = path
    self.port = port
  }
}

extension HTTPTarget {
  /// Reads what is there; GET unless written.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    method = try container.value(.method, or: .get)
    path = try container.decode(String.self, forKey: .path)
    port = try container.decodeIfPresent(Int.self, forKey: .port)
  }
}

extension AppReader {
  /// Reads a probe's `http`: a path alone, or a mapping.
  mutating func readProbeTarget(_ field: Field) -> HTTPTarget? {
    if case .scalar = field.node.value {
      guard let path = readTargetPath(field), hasOwnPort(or: "http: { path: \(path), port: 9000 }", at: field) else { return nil }
      return HTTPTarget(path: path)
    }
    guard let fields = reader.fields(field, expected: Self.targetExpected, ReadyHTTPKey.self) else { return nil }
    if fields.lacks(.path) { reportMissingPath(at: field) }
    return readTarget(in: field, path: fields[.path], port: fields[.port], method: nil)
  }

  /// Reads a preStop hook's `http`: a path alone, or a mapping.
  mutating func readHookTarget(_ field: Field) -> HTTPTarget? {
    if case .scalar = field.node.value {
      guard let path = readTargetPath(field), hasOwnPort(or: "http: { path: \(path), port: 9000 }", at: field) else { return nil }
      return HTTPTarget(path: path)
    }
    let expected = "a path such as /drain, or a mapping such as { path: /drain, method: POST }"
    guard let fields = reader.fields(field, expected: expected, PreStopHTTPKey.self) else { return nil }
    if fields.lacks(.path) { reportMissingPath(at: field) }
    return readTarget(in: field, path: fields[.path], port: fields[.port], method: fields[.method])
  }

  private static var targetExpected: String { "a path such as /readyz, or a mapping such as { path: /readyz, port: 9000 }" }

  private mutating func readTarget(in field: Field, path: Field?, port: Field?, method: Field?) -> HTTPTarget? {
    let written = port.flatMap { readTargetPort($0) }
    let method = method.flatMap { reader.word($0, HTTPTarget.Method.self) }
    guard let path, let text = readTargetPath(path) else { return nil }
    if port == nil, !hasOwnPort(or: "{ path: \(text), port: 9000 }", at: field) { return nil }
    return HTTPTarget(method: method ?? .get, path: text, port: written)
  }

  private mutating func reportMissingPath(at field: Field) {
    reader.report("expected a path, as in { path: /readyz }", at: field)
  }

  private mutating func readTargetPath(_ field: Field) -> String? {
    let expected = "a path that begins with a slash, such as /readyz"
    guard let text = reader.text(field, expected: expected) else { return nil }
    // RFC 9112, 3.2: a request target has no whitespace; RFC 3986, 2: other characters are percent-encoded.
    guard text.hasPrefix("/"), text.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return text
  }

  /// Reads a port that a probe or hook goes to: not the one that lastcall's own proxy listens on.
  mutating func readTargetPort(_ field: Field) -> Int? {
    guard let port = reader.whole(field, in: 1...65_535) else { return nil }
    if isInSidecar, let listen, listen.port == port {
      reader.report("\(port) is the port that the app itself is reached by; name the sidecar's", at: field)
      return nil
    }
    if let listen, listen.via == .proxy, listen.port == port {
      reader.report("\(port) is the port that lastcall's proxy listens on; leave the port out to reach the replica's own", at: field)
      return nil
    }
    return port
  }

  /// Whether replicas have ports of their own; notes a mistake when they have not.
  mutating func hasOwnPort(or remedy: String, at field: Field) -> Bool {
    if isInSidecar {
      reader.report("a sidecar has no port of its own; name the port, as in \(remedy)", at: field)
      return false
    }
    // A `listen` that could not be read has its own mistake.
    if listen?.via == .proxy || listenIsWrong { return true }
    reader.report("without \"listen: { via: proxy }\" a replica has no port of its own; name the port, as in \(remedy)", at: field)
    return false
  }
}
