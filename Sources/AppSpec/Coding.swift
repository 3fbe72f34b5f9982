import StopPlan

// What the engine keeps of an app is JSON in the file's own words. A key that a later version has written is not looked at, and one that an
// earlier version did not know has its default; hence every type reads each of its parts as one that may be missing.

extension KeyedDecodingContainer {
  /// The value, or what it is when it is not written.
  func value<Value: Decodable>(_ key: Key, or standard: Value) throws -> Value {
    try decodeIfPresent(Value.self, forKey: key) ?? standard
  }

  /// A length of time, as in `30s`; nil when it is not written.
  func span(_ key: Key) throws -> TimeSpan? {
    guard let text = try decodeIfPresent(String.self, forKey: key) else { return nil }
    guard let span = TimeSpan(text) else { throw wrong("a length of time", text, key) }
    return span
  }

  /// A signal by its name; nil when it is not written.
  func signal(_ key: Key) throws -> Signal? {
    guard let text = try decodeIfPresent(String.self, forKey: key) else { return nil }
    guard let signal = Signal(text) else { throw wrong("a signal", text, key) }
    return signal
  }

  /// The error of a text that is not what it should be.
  func wrong(_ expected: String, _ found: String, _ key: Key) -> DecodingError {
    DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "expected \(expected), found \(shown(found))")
  }
}

extension KeyedEncodingContainer {
  /// Writes a length of time as a user would, exactly; nothing for nil.
  mutating func encode(_ span: TimeSpan?, forKey key: Key) throws {
    try encodeIfPresent(span?.written, forKey: key)
  }

  /// Writes a signal's name.
  mutating func encode(_ signal: Signal, forKey key: Key) throws {
    try encode(signal.name, forKey: key)
  }
}
