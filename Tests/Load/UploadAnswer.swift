import Foundation

/// Reads what a server says about a body it received.
enum UploadAnswer {
  /// The length and hash in `{"bytes":N,"fnv":"hex"}`; nil when it is something else.
  static func read(_ bytes: [UInt8]) -> Exchange.Expectation.Upload? {
    try? JSONDecoder().decode(Exchange.Expectation.Upload.self, from: Data(bytes))
  }
}

/// The system's text for an errno, with the number.
func errnoText(_ code: Int32) -> String {
  var buffer = [UInt8](repeating: 0, count: 128)
  let text = buffer.withUnsafeMutableBytes { raw -> String in
    guard let base = raw.baseAddress?.assumingMemoryBound(to: CChar.self) else { return "" }
    return strerror_r(code, base, raw.count) == 0 ? String(cString: base) : ""
  }
  return "\(text) (errno \(code))"
}
