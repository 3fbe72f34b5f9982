import Engine
import Foundation

/// What the command line prints: colours only on a terminal and without NO_COLOR (no-color.org).
enum Output {
  static let isColoured = isatty(1) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil

  static func error(_ message: String) { write("lastcall: \(message)\n", to: .standardError) }

  /// Prints a line at once, also into a pipe.
  static func line(_ text: String) { write(text + "\n", to: .standardOutput) }

  /// Nobody may be there to read any more: the terminal is gone, `head` has seen enough. What we do matters more than what we say of it.
  static func write(_ text: String, to file: FileHandle) { try? file.write(contentsOf: Data(text.utf8)) }

  static func event(_ event: EngineEvent, withDate: Bool = false) {
    let time = time(event.at, withDate: withDate)
    let subject = event.replica ?? (event.app.isEmpty ? "lastcall" : event.app)
    line("\(dim(time))  \(subject.padded(to: 14)) \(reason(event).padded(to: isColoured ? 25 : 16)) \(event.message)")
  }

  static func progress(_ text: String) { line(dim("          " + text)) }

  static func json<Value: Encodable>(_ value: Value) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    line(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// In local time. A formatter of Foundation's costs 0.2 ms and 5 MB.
  static func time(_ seconds: Double, withDate: Bool) -> String {
    var (moment, local) = (time_t(seconds), tm())
    localtime_r(&moment, &local)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
      let length = strftime(text.baseAddress, text.count, withDate ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &local)
      return String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
  }

  /// A length of time as docker and kubectl write it: 12s, 5m, 3h, 2d.
  static func age(_ seconds: Int64) -> String {
    switch seconds {
    case ..<120: "\(seconds)s"
    case ..<7200: "\(seconds / 60)m"
    case ..<172_800: "\(seconds / 3600)h"
    default: "\(seconds / 86_400)d"
    }
  }

  static func seconds(_ seconds: Double) -> String { String(format: "%.2f s", seconds) }

  private static func reason(_ event: EngineEvent) -> String {
    guard isColoured else { return event.reason }
    return (event.kind == .warning ? "\u{1b}[33m" : "\u{1b}[32m") + event.reason + "\u{1b}[0m"
  }

  private static func dim(_ text: String) -> String { isColoured ? "\u{1b}[2m\(text)\u{1b}[0m" : text }
}

extension String {
  /// The text with blanks up to a width.
  func padded(to width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
}
