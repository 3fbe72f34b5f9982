import StopPlan

/// What a replica may ask for by sd_notify(3), and what is asked of it. `READY=1` is awaited under `ready: notify` only.
public struct Notify: Equatable, Sendable {
  /// How long it may be silent (`WATCHDOG_USEC` is given to it, and `WATCHDOG=1` awaited in time), 100 ms…24 h; nil, the default, is off.
  public var watchdog: TimeSpan?
  /// By how much `EXTEND_TIMEOUT_USEC` may prolong one start in all, 0…24 h; 5 min unless written.
  public var extend: TimeSpan
  /// How many descriptors are kept for it (`FDSTORE=1`), 0…253, the most that one message of Linux carries (unix(7), SCM_MAX_FD); 16 unless
  /// written.
  public var store: Int

  /// What a replica may ask for.
  public init(watchdog: TimeSpan? = nil, extend: TimeSpan = .seconds(300), store: Int = 16) {
    self.watchdog = watchdog
    self.extend = extend
    self.store = store
  }
}

extension Notify: Codable {
  private enum CodingKeys: String, CodingKey { case watchdog, extend, store }

  /// Reads what is there; the rest has its defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    watchdog = try container.span(.watchdog)
    extend = try container.span(.extend) ?? extend
    store = try container.value(.store, or: store)
  }

  /// Writes every part.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(watchdog, forKey: .watchdog)
    try container.encode(extend, forKey: .extend)
    try container.encode(store, forKey: .store)
  }
}

extension AppReader {
  /// Reads `notify`.
  mutating func readNotify(_ field: Field?) -> Notify {
    var notify = Notify()
    let expected = "a mapping such as { watchdog: 10s }"
    guard let field, let fields = reader.fields(field, expected: expected, NotifyKey.self) else { return notify }
    let day = TimeSpan.seconds(24 * 3600)
    notify.watchdog = fields[.watchdog].flatMap { reader.span($0, in: .milliseconds(100)...day) }
    if let extend = fields[.extend].flatMap({ reader.span($0, in: .zero...day) }) { notify.extend = extend }
    if let store = fields[.store].flatMap({ reader.whole($0, in: 0...253) }) { notify.store = store }
    return notify
  }
}
