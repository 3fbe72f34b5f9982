import Foundation
import NIOConcurrencyHelpers

/// The Date field. Its text is made once a second, since every response has it.
enum DateField {
  private struct Made {
    var second: time_t
    var text: String
  }

  private static let last = NIOLockedValueBox(Made(second: -1, text: ""))

  /// The time as RFC 9110 section 5.6.7 wants it.
  static func now() -> String {
    let second = time(nil)
    return last.withLockedValue { last in
      if last.second != second { last = Made(second: second, text: text(second)) }
      return last.text
    }
  }

  static func text(_ second: time_t) -> String {
    var second = second
    var parts = tm()
    gmtime_r(&second, &parts)
    return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { buffer in
      let count = strftime(buffer.baseAddress, buffer.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
      return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}
