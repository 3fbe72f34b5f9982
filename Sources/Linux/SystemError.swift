import CLinux
import StopPlan

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

  /// Appends what it means: `no such file or directory`; the number of one that we have no words for.
  @inline(never)
  public func append(to text: inout [UInt8]) {
    let words = words
    text.append(text: words)
    if words.isEmpty {
      text.append(text: "error ")
      text.append(number: Int64(code))
    }
  }

  /// Those that the Embedded binary meets; strerror(3) would bring its whole table.
  private var words: ByteView {
    switch code {
    case EPERM: "operation not permitted"
    case ENOENT: "no such file or directory"
    case ESRCH: "no such process"
    case EIO: "input/output error"
    case E2BIG: "arguments and environment are too long"
    case ENOEXEC: "not a program of this machine"
    case EAGAIN: "a limit on processes is reached, or the operation would block"
    case ENOMEM: "out of memory"
    case EACCES: "permission denied"
    case ENOTDIR: "not a directory"
    case EISDIR: "is a directory"
    case EMFILE, ENFILE: "too many open files"
    case ETXTBSY: "the file is being written"
    case ENOSPC: "no space left on device"
    case EROFS: "the file system is read-only"
    case ENAMETOOLONG: "the path is too long"
    case ENOSYS: "the kernel does not have it"
    case ELOOP: "too many symbolic links, or a link where none may be"
    case EADDRINUSE: "the address is in use"
    default: ""
    }
  }
}

/// The result of a call that answers -errno when it fails.
@discardableResult
func check(_ result: Int) throws(SystemError) -> Int {
  if result < 0 { throw SystemError(code: Int32(truncatingIfNeeded: 0 &- result)) }
  return result
}

#if !hasFeature(Embedded)
  extension SystemError: CustomStringConvertible {
    /// The C library's words for it.
    public var description: String { strerror(code).map { String(cString: $0) } ?? "error \(code)" }
  }
#endif
