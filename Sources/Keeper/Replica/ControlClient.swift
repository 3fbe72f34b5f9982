import Linux
import StopPlan

/// A connection to the control socket: its half-read line and what it has not taken yet, both bounded.
final class ControlClient {
  let descriptor: Descriptor
  /// The part of a line that has come.
  var line: [UInt8] = []
  private var output: [UInt8] = []
  /// Whether it is told of events.
  var follows = false
  /// Whether it is there for what the program has stored: it wants nothing of what has been.
  var isHeir = false
  /// Whether the connection is over, or the client does not keep to the bounds.
  private(set) var isGone = false

  static let lineLimit = 8192
  /// A client that lets this much pile up is dropped; it can come back and follow from where it was.
  static let outputLimit = 1 << 20

  init(_ descriptor: Descriptor) { self.descriptor = descriptor }

  /// Whether it has to take what waits for it.
  var isBehind: Bool { !output.isEmpty }

  /// Sends it what it takes and keeps the rest.
  @inline(never)
  func send(_ bytes: [UInt8]) {
    output.append(bytes: bytes)
    flush()
    if output.count > Self.outputLimit { isGone = true }
  }

  /// Sends it a line with descriptors. Who has not taken what came before is dropped: they cannot wait with bytes.
  @inline(never)
  func send(_ line: [UInt8], _ descriptors: ArraySlice<Descriptor>) {
    flush()
    guard output.isEmpty, let count = try? UnixSocket.send(line, descriptors, over: descriptor) else {
      isGone = true
      return
    }
    if count < line.count { line[count...].withView { output.append(text: $0) } }
  }

  @inline(never)
  func flush() {
    while !output.isEmpty {
      guard let count = try? descriptor.send(output), count > 0 else { return }
      output.drop(count)
    }
  }

  /// Reads a part of what it has sent; nothing when there is nothing.
  func receive() -> [UInt8] {
    var part: [UInt8] = []
    do throws(SystemError) {
      try descriptor.receive(into: &part, count: 4096)
      if part.isEmpty { isGone = true }
    } catch {
      if error != .wouldBlock { isGone = true }
    }
    return part
  }

  /// Adds a byte to the line.
  @inline(never)
  func append(_ byte: UInt8) {
    line.append(byte: byte)
    if line.count > Self.lineLimit { isGone = true }
  }
}
