import StopPlan

/// A NULL-terminated array of C strings, as execve(2) takes it and a process gets it.
public typealias CStrings = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// C strings made from bytes, there for as long as this lives.
public struct CStringArray: ~Copyable {
  /// The array.
  public let pointer: CStrings
  private let count: Int

  /// The strings of a command or an environment.
  @inline(never)
  public init(_ strings: [[UInt8]]) {
    count = strings.count
    pointer = .allocate(capacity: count + 1)
    for index in 0..<count { pointer[index] = strings[index].withView { Self.copy($0) } }
    pointer[count] = nil
  }

  /// The array as system calls take it.
  public var constant: UnsafePointer<UnsafePointer<CChar>?> { Self.constant(pointer) }

  /// An array as system calls take it.
  public static func constant(_ strings: CStrings) -> UnsafePointer<UnsafePointer<CChar>?> {
    UnsafeRawPointer(strings).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
  }

  deinit {
    for index in 0..<count { pointer[index]?.deallocate() }
    pointer.deallocate()
  }

  /// A C string of these bytes, which nobody frees but who asked for it.
  @inline(never)
  public static func copy(_ text: ByteView) -> UnsafeMutablePointer<CChar> {
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: text.count + 1)
    for index in 0..<text.count { copy[index] = CChar(bitPattern: text[index]) }
    copy[text.count] = 0
    return copy
  }
}
