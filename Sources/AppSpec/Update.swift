import StopPlan

/// How replicas are replaced by those of a new revision.
public struct Update: Equatable, Sendable {
  /// A number of replicas, or a part of them.
  public enum Share: Equatable, Sendable {
    /// So many replicas.
    case count(Int)
    /// So many hundredths of the replicas, 0…100.
    case percent(Int)

    /// The number of replicas, a broken one rounded up or down.
    func of(_ replicas: Int, roundedUp: Bool) -> Int {
      switch self {
      case .count(let count): count
      case .percent(let percent): (replicas * percent + (roundedUp ? 99 : 0)) / 100
      }
    }
  }

  /// How many replicas may run beyond the declared number; 1 unless written, and 0 for an app without `listen`: a single consumer must not run
  /// twice, so it is stopped first.
  public var surge: Share
  /// How many of the declared replicas may be missing; 0 unless written, and 1 for an app that is stopped first.
  public var unavailable: Share
  /// How long a new replica may take to be ready before the update is rolled back, 1 s…24 h; 60 s unless written.
  public var deadline: TimeSpan
  /// How long a replica has to stay ready, and one without a readiness check has to live, to count; 0…1 h, less than `deadline`; 1 s unless
  /// written.
  public var settle: TimeSpan

  /// An update.
  public init(
    surge: Share = .count(1), unavailable: Share = .count(0), deadline: TimeSpan = .seconds(60), settle: TimeSpan = .seconds(1)
  ) {
    self.surge = surge
    self.unavailable = unavailable
    self.deadline = deadline
    self.settle = settle
  }

  /// The numbers for an app of so many replicas. Parts of `surge` are rounded up, of `unavailable` down; when both come to 0, one may be
  /// missing, since else nothing could begin (as Kubernetes' Deployment controller does, ResolveFenceposts in pkg/controller/deployment/util).
  public func budget(replicas: Int) -> (surge: Int, unavailable: Int) {
    let more = surge.of(replicas, roundedUp: true)
    let fewer = unavailable.of(replicas, roundedUp: false)
    return (more, more == 0 && fewer == 0 ? 1 : fewer)
  }
}

extension Update: Codable {
  private enum CodingKeys: String, CodingKey { case surge, unavailable, deadline, settle }

  /// Reads what is there; the rest has the defaults of an app with a listener.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init()
    surge = try container.value(.surge, or: surge)
    unavailable = try container.value(.unavailable, or: unavailable)
    deadline = try container.span(.deadline) ?? deadline
    settle = try container.span(.settle) ?? settle
  }

  /// Writes every part.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(surge, forKey: .surge)
    try container.encode(unavailable, forKey: .unavailable)
    try container.encode(deadline, forKey: .deadline)
    try container.encode(settle, forKey: .settle)
  }
}

extension Update.Share: Codable {
  /// As a user writes it: `2`, `25%`.
  var written: String {
    switch self {
    case .count(let count): "\(count)"
    case .percent(let percent): "\(percent)%"
    }
  }

  /// Reads `2` or `25%`.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let share = Self(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected a number or a part, found \(shown(text))")
    }
    self = share
  }

  /// Writes `2` or `25%`, as a text.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(written)
  }

  fileprivate init?(_ text: String) {
    if text.hasSuffix("%"), let percent = wholeNumber(String(text.dropLast())), percent <= 100 {
      self = .percent(percent)
    } else if let count = wholeNumber(text) {
      self = .count(count)
    } else {
      return nil
    }
  }
}

extension AppReader {
  /// Reads `update`.
  mutating func readUpdate(_ field: Field?, replicas: Int) -> Update {
    var update = Update()
    let isStopFirst = listen == nil && !listenIsWrong
    if isStopFirst { (update.surge, update.unavailable) = (.count(0), .count(1)) }
    let expected = "a mapping such as { surge: 1, deadline: 60s }"
    guard let field, let fields = reader.fields(field, expected: expected, UpdateKey.self) else { return update }
    if let written = fields[.surge].flatMap({ readShare($0, replicas: replicas) }) {
      update.surge = written
      if isStopFirst, !written.isZero { update.unavailable = .count(0) }
    }
    if let written = fields[.unavailable].flatMap({ readShare($0, replicas: replicas) }) { update.unavailable = written }
    if update.surge.isZero, update.unavailable.isZero {
      reader.report("surge and unavailable are both 0, so that no replica could ever be replaced; raise one", at: field)
    }
    if let written = fields[.deadline].flatMap({ reader.span($0, in: .seconds(1) ... .seconds(24 * 3600)) }) { update.deadline = written }
    if let written = fields[.settle].flatMap({ reader.span($0, in: .zero ... .seconds(3600)) }) { update.settle = written }
    if update.settle >= update.deadline {
      let (settle, deadline) = (update.settle.written, update.deadline.written)
      reader.report("settle (\(settle)) must be shorter than deadline (\(deadline)), or no replica can be ready in time", at: field)
    }
    return update
  }

  private mutating func readShare(_ field: Field, replicas: Int) -> Update.Share? {
    let expected = "a whole number of 0 to \(replicas) (replicas), or a part such as 25%"
    guard let text = reader.text(field, expected: expected) else { return nil }
    switch Update.Share(text) {
    case .count(let count) where count > replicas: break
    case let share?: return share
    case nil: break
    }
    reader.report(expected: expected, at: field)
    return nil
  }
}

extension Update.Share {
  fileprivate var isZero: Bool { self == .count(0) || self == .percent(0) }
}
