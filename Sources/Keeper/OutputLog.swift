import CLinux
import Linux
import StopPlan

/// A program's output, written to a file line by line in the CRI's form (kubernetes/cri-api, pkg/apis/runtime/v1: LogFormat):
/// time, stream, `F` for a whole line or `P` for a part of one, text.
struct OutputLog {
  enum Stream {
    case output, error
  }

  /// The CRI's own bound: longer lines are written in parts.
  static let lineLimit = 16_384

  private let file: Descriptor
  private var partial: (output: [UInt8], error: [UInt8]) = ([], [])
  /// Lines that could not be written, said in the log as soon as it can be written again.
  private var dropped: Int64 = 0

  init(file: Descriptor) { self.file = file }

  /// Takes bytes of a stream.
  mutating func append(_ bytes: [UInt8], _ stream: Stream) {
    var pending = stream == .output ? partial.output : partial.error
    var entries: [UInt8] = []
    var count: Int64 = 0
    for byte in bytes {
      if byte == UInt8(ascii: "\n") {
        Self.append(pending, stream, isWhole: true, to: &entries)
        pending.removeAll(keepingCapacity: true)
        count += 1
      } else {
        pending.append(byte)
        if pending.count == Self.lineLimit {
          Self.append(pending, stream, isWhole: false, to: &entries)
          pending.removeAll(keepingCapacity: true)
          count += 1
        }
      }
    }
    if stream == .output { partial.output = pending } else { partial.error = pending }
    write(entries, count)
  }

  /// Writes what had no newline yet; at the end of the streams.
  mutating func finish() {
    var entries: [UInt8] = []
    if !partial.output.isEmpty { Self.append(partial.output, .output, isWhole: false, to: &entries) }
    if !partial.error.isEmpty { Self.append(partial.error, .error, isWhole: false, to: &entries) }
    partial = ([], [])
    write(entries, 1)
  }

  private mutating func write(_ entries: [UInt8], _ count: Int64) {
    guard !entries.isEmpty else { return }
    if dropped > 0 {
      var notice: [UInt8] = []
      var text: [UInt8] = []
      text.append(text: "lastcall: ")
      text.append(number: dropped)
      text.append(text: " lines were dropped because this file could not be written")
      Self.append(text, .error, isWhole: true, to: &notice)
      guard (try? file.write(notice)) != nil else {
        dropped += count
        return
      }
      dropped = 0
    }
    if (try? file.write(entries)) == nil { dropped += count }
  }

  private static func append(_ text: [UInt8], _ stream: Stream, isWhole: Bool, to entries: inout [UInt8]) {
    Clock.appendTimestamp(Clock.wall, to: &entries)
    entries.append(text: stream == .output ? " stdout " : " stderr ")
    entries.append(text: isWhole ? "F " : "P ")
    entries.append(contentsOf: text)
    entries.append(UInt8(ascii: "\n"))
  }
}
