import CLinux
import StopPlan

/// A file's path as the kernel takes it: bytes with a NUL at the end.
public struct Path: Sendable {
  /// The bytes without the NUL.
  public private(set) var bytes: [UInt8]

  /// The path of these bytes, up to a NUL among them.
  public init(_ bytes: [UInt8]) { self.bytes = Array(bytes.prefix { $0 != 0 }) }

  /// The path of a literal.
  public init(_ text: StaticString) {
    bytes = []
    bytes.append(text: text)
  }

  /// The path of an entry in this directory.
  public func appending(_ name: StaticString) -> Path {
    var path = self
    path.bytes.append(UInt8(ascii: "/"))
    path.bytes.append(text: name)
    return path
  }

  /// Calls `body` with the C string.
  public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    var terminated = bytes
    terminated.append(0)
    return terminated.withUnsafeBufferPointer { buffer in
      buffer.withMemoryRebound(to: CChar.self) { chars in
        // A buffer of at least the NUL has an address; the fallback only satisfies the type.
        if let base = chars.baseAddress { return body(base) }
        var empty: CChar = 0
        return body(&empty)
      }
    }
  }

  /// Opens the file close-on-exec with the flags of open(2).
  public func open(_ flags: Int32, mode: UInt32 = 0o600) throws(SystemError) -> Descriptor {
    Descriptor(number: Int32(try check(withCString { lc_open($0, flags, mode) })))
  }

  /// Removes the file.
  public func unlink() { _ = withCString { CLinux.unlink($0) } }

  /// Gives the file another name, replacing what had it.
  public func rename(to other: Path) throws(SystemError) {
    if withCString({ from in other.withCString { CLinux.rename(from, $0) } }) != 0 { throw SystemError(code: lc_last_error()) }
  }

  /// The file's content, at most `limit` bytes of it.
  public func read(limit: Int = 65_536) throws(SystemError) -> [UInt8] {
    let file = try open(O_RDONLY)
    defer { file.close() }
    var content: [UInt8] = []
    while content.count < limit {
      let part = try file.read(min(4096, limit - content.count))
      if part.isEmpty { break }
      content.append(contentsOf: part)
    }
    return content
  }
}

#if !hasFeature(Embedded)
  extension Path {
    /// The path a string spells.
    public init(string: String) { self.init(Array(string.utf8)) }
    /// The path as a string.
    public var string: String { String(decoding: bytes, as: UTF8.self) }
  }
#endif
