import CLinux
import StopPlan

/// A file's path as the kernel takes it: bytes with a NUL at the end.
public struct Path: Sendable {
  /// The bytes with the NUL.
  private var terminated: [UInt8]

  /// The path of these bytes, up to a NUL among them.
  @inline(never)
  public init(_ text: ByteView) {
    terminated = []
    terminated.append(text: text.prefix(text.offset(of: 0)))
    terminated.append(byte: 0)
  }

  /// The path of an entry in this directory.
  @inline(never)
  public func appending(_ name: ByteView) -> Path {
    var text: [UInt8] = []
    withView { text.append(text: $0) }
    text.append(text: "/")
    text.append(text: name)
    return text.withView { Path($0) }
  }

  /// Calls `body` with the C string.
  public func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    terminated.withView { body($0.cString) }
  }

  /// Lets `body` look at the bytes without the NUL.
  public func withView<Result>(_ body: (ByteView) -> Result) -> Result {
    terminated.withView { body($0.prefix($0.count - 1)) }
  }

  /// Opens the file close-on-exec with the flags of open(2).
  @inline(never)
  public func open(_ flags: Int32, mode: UInt32 = 0o600) throws(SystemError) -> Descriptor {
    try Descriptor(withCString { lc_open($0, flags, mode) })
  }

  /// Removes the file.
  public func unlink() { _ = withCString { lc_unlink($0) } }

  /// Gives the file another name, replacing what had it.
  public func rename(to other: Path) throws(SystemError) {
    try check(withCString { from in other.withCString { lc_rename(from, $0) } })
  }
}

#if !hasFeature(Embedded)
  extension Path {
    /// The path a string spells.
    public init(string: String) { self = Array(string.utf8).withView { Path($0) } }
    /// The path as a string.
    public var string: String { String(decoding: terminated.dropLast(), as: UTF8.self) }
  }
#endif
