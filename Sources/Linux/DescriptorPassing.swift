import CLinux
import StopPlan

extension UnixSocket {
  /// A message that came over a socket.
  public struct Message {
    /// What it says.
    public var bytes: [UInt8]
    /// The descriptors that came with it, close-on-exec; whoever takes the message closes them.
    public var descriptors: [Descriptor]
    /// The sender's pid, 0 when it is in no namespace of ours, or the socket asks for no credentials.
    public var sender: Int32
    /// The sender's effective user; `UInt32.max` without credentials.
    public var user: UInt32
  }

  /// The most descriptors that the kernel takes in one message (SCM_MAX_FD).
  public static var descriptorLimit: Int { 253 }

  /// Has the kernel tell who sends (unix(7), SO_PASSCRED).
  public static func passCredentials(_ socket: Descriptor) throws(SystemError) { try check(lc_pass_credentials(socket.number)) }

  /// The next message, or of a stream the next part, with the descriptors that came with it; `wouldBlock` when there is none.
  /// - Parameter limit: the most bytes of it; what a datagram has more is lost.
  @inline(never)
  public static func receive(_ socket: Descriptor, limit: Int) throws(SystemError) -> Message {
    var received = lc_message()
    var result = -Int(EINTR)
    let bytes = [UInt8](unsafeUninitializedCapacity: limit) { memory, length in
      while result == -Int(EINTR) { result = lc_receive_message(socket.number, memory.baseAddress, UInt(limit), &received) }
      length = max(0, result)
    }
    try check(result)
    var descriptors: [Descriptor] = []
    let count = Int(received.count)
    withUnsafeBytes(of: &received.descriptors) { numbers in
      for index in 0..<count {
        let number = numbers.loadUnaligned(fromByteOffset: index * MemoryLayout<Int32>.stride, as: Int32.self)
        descriptors.append(Descriptor(number: number))
      }
    }
    return Message(bytes: bytes, descriptors: descriptors, sender: received.sender, user: received.user)
  }

  /// Sends bytes with descriptors, of which the receiver gets copies, at most `descriptorLimit`.
  /// - Returns: how many bytes the socket took at once; with the first of them went all descriptors.
  @inline(never)
  public static func send(_ bytes: [UInt8], _ descriptors: ArraySlice<Descriptor>, over socket: Descriptor) throws(SystemError) -> Int {
    var numbers: [Int32] = []
    for descriptor in descriptors { numbers.append(descriptor.number) }
    return try check(
      bytes.withView { text in
        numbers.withUnsafeBufferPointer {
          lc_send_message(socket.number, text.buffer.baseAddress, UInt(text.count), $0.baseAddress, Int32($0.count))
        }
      })
  }
}
