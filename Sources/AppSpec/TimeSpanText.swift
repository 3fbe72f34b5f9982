import StopPlan

extension TimeSpan {
  /// As a user would write it: `1h`, `90s`, `22.5s`, `200ms`.
  var written: String {
    if nanoseconds == 0 { return "0" }
    let second: Int64 = 1_000_000_000
    for (name, length) in [("h", 3600 * second), ("m", 60 * second)] where nanoseconds % length == 0 {
      return "\(nanoseconds / length)\(name)"
    }
    if nanoseconds < second, nanoseconds % 1_000_000 == 0 { return "\(nanoseconds / 1_000_000)ms" }
    var text: [UInt8] = []
    append(to: &text)
    return String(decoding: text, as: UTF8.self) + "s"
  }
}
