import CLinux

/// A system call's failure: its errno.
public struct SystemError: Error, Equatable, Sendable {
  /// The errno, as in errno(3).
  public let code: Int32

  /// The failure with that errno.
  public init(code: Int32) { self.code = code }

  /// No such file or process.
  public static let notFound = SystemError(code: ENOENT)
  /// The operation would block.
  public static let wouldBlock = SystemError(code: EAGAIN)

  /// What the C library calls it, in bytes: "No such file or directory".
  public var text: [UInt8] {
    guard let message = strerror(code) else { return [] }
    return bytes(of: message)
  }
}

/// The result of a call that answers -errno when it fails.
func check(_ result: Int) throws(SystemError) -> Int {
  if result < 0 { throw SystemError(code: Int32(truncatingIfNeeded: -result)) }
  return result
}

/// The bytes of a C string, without its NUL.
public func bytes(of string: UnsafePointer<CChar>) -> [UInt8] {
  var bytes: [UInt8] = []
  var index = 0
  while string[index] != 0 {
    bytes.append(UInt8(bitPattern: string[index]))
    index += 1
  }
  return bytes
}

#if !hasFeature(Embedded)
  extension SystemError: CustomStringConvertible {
    /// The C library's words for it.
    public var description: String { String(decoding: text, as: UTF8.self) }
  }
#endif
