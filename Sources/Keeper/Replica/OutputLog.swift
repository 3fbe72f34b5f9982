import CLinux
import Linux
import StopPlan

/// A program's output, written to a file line by line in the CRI's form (kubernetes/cri-api, pkg/apis/runtime/v1: LogFormat):
/// time, stream, `F` for a whole line or `P` for a part of one, text.
struct OutputLog {
  /// One of the program's streams.
  struct Stream {
    let name: ByteView
    /// The end that is read; nil after the stream's end.
    var reader: Descriptor?
    let writer: Descriptor
    /// What had no newline yet.
    fileprivate(set) var partial: [UInt8] = []

    init(_ name: ByteView) throws(SystemError) {
      self.name = name
      let (read, write) = try Descriptor.pipe()
      reader = read
      writer = write
    }

    /// Ours of the write end is closed once the program has its own, so that the stream ends when it does.
    func started() {
      writer.close()
      try? reader?.setNonBlocking(true)
    }
  }

  /// The CRI's own bound: longer lines are written in parts.
  static let lineLimit = 16_384

  private let file: Descriptor
  private var entries: [UInt8] = []
  private var count: Int64 = 0
  /// Lines that could not be written, said in the log as soon as it can be written again.
  private var dropped: Int64 = 0

  init(file: Descriptor) { self.file = file }

  /// Takes bytes of a stream.
  mutating func append(_ bytes: ByteView, _ stream: inout Stream) {
    var rest = bytes
    while !rest.isEmpty {
      let room = rest.prefix(Self.lineLimit - stream.partial.count)
      let length = room.offset(of: UInt8(ascii: "\n"))
      stream.partial.append(text: room.prefix(length))
      let isWhole = length < room.count
      rest = rest.dropping(isWhole ? length + 1 : length)
      if isWhole || stream.partial.count == Self.lineLimit { end(&stream, isWhole: isWhole) }
    }
    write()
  }

  /// Writes what had no newline yet, at the stream's end.
  mutating func finish(_ stream: inout Stream) {
    if !stream.partial.isEmpty { end(&stream, isWhole: false) }
    write()
  }

  private mutating func end(_ stream: inout Stream, isWhole: Bool) {
    stream.partial.withView { enter($0, stream.name, isWhole) }
    stream.partial = []
    count += 1
  }

  @inline(never)
  private mutating func enter(_ text: ByteView, _ stream: ByteView, _ isWhole: Bool) {
    Clock.appendTimestamp(Clock.wall, to: &entries)
    entries.append(text: stream)
    entries.append(text: isWhole ? "F " : "P ")
    entries.append(text: text)
    entries.append(text: "\n")
  }

  @inline(never)
  private mutating func write() {
    if dropped > 0, !entries.isEmpty {
      var text: [UInt8] = []
      text.append(text: "lastcall: ")
      text.append(number: dropped)
      text.append(text: " lines were dropped because this file could not be written")
      text.withView { enter($0, " stderr ", true) }
    }
    if (try? file.write(entries)) == nil { dropped += count } else { dropped = 0 }
    entries = []
    count = 0
  }
}
