/// What a replica's processes may use at most (setrlimit(2)); what is nil is as lastcall itself has it.
public struct Limits: Equatable, Sendable {
  /// A number, or none.
  public enum Bound: Equatable, Comparable, Sendable {
    /// So many.
    case number(Int)
    /// As many as it likes (RLIM_INFINITY).
    case unlimited
  }

  /// A limit of a process and the bound to which it may raise it itself.
  public struct Limit: Equatable, Sendable {
    /// What the process has.
    public var soft: Bound
    /// What it may raise it to; at least `soft`.
    public var hard: Bound

    /// A limit; `hard` is `soft` unless given.
    public init(_ soft: Bound, hard: Bound? = nil) {
      self.soft = soft
      self.hard = hard ?? soft
    }
  }

  /// RLIMIT_NOFILE: open descriptors, 16…2147483584, Linux's bound of fs.nr_open.
  public var files: Limit?
  /// RLIMIT_NPROC: processes and threads of the user, 1…4194304, Linux's PID_MAX_LIMIT.
  public var processes: Limit?
  /// RLIMIT_CORE: bytes of a core dump, 0…1 TiB.
  public var core: Limit?

  /// Limits.
  public init(files: Limit? = nil, processes: Limit? = nil, core: Limit? = nil) {
    self.files = files
    self.processes = processes
    self.core = core
  }
}

extension Limits: Codable {
  /// Reads what is there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    files = try container.decodeIfPresent(Limit.self, forKey: .files)
    processes = try container.decodeIfPresent(Limit.self, forKey: .processes)
    core = try container.decodeIfPresent(Limit.self, forKey: .core)
  }
}

extension Limits.Bound {
  fileprivate init?(_ text: some StringProtocol) {
    if text == "unlimited" {
      self = .unlimited
    } else if let number = ByteSize.bytes(String(text)) {
      self = .number(number)
    } else {
      return nil
    }
  }

  fileprivate var written: String {
    switch self {
    case .number(let number): "\(number)"
    case .unlimited: "unlimited"
    }
  }

  fileprivate func isWithin(_ range: ClosedRange<Int>) -> Bool {
    if case .number(let number) = self { range.contains(number) } else { true }
  }
}

extension Limits.Limit: Codable {
  /// As a file has it: `1024`, `1024..65536`, `unlimited`.
  public var written: String { soft == hard ? soft.written : "\(soft.written)..\(hard.written)" }

  fileprivate init?(_ text: String) {
    let dots = text.firstRange(of: "..")
    guard let soft = Limits.Bound(text[..<(dots?.lowerBound ?? text.endIndex)]) else { return nil }
    guard let hard = dots.map({ Limits.Bound(text[$0.upperBound...]) }) ?? soft, soft <= hard else { return nil }
    self.init(soft, hard: hard)
  }

  /// Reads the text that a file has.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let limit = Self(text) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected a limit, found \(shown(text))")
    }
    self = limit
  }

  /// Writes the text that a file has.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(written)
  }
}

extension AppReader {
  /// Reads `limits`.
  mutating func readLimits(_ field: Field?) -> Limits {
    let expected = "a mapping such as { files: 65536, processes: 512, core: 0 }"
    guard let field, let fields = reader.fields(field, expected: expected, LimitsKey.self) else { return Limits() }
    let files = fields[.files].flatMap { readLimit($0, in: 16...2_147_483_584, "a number of files of 16 to 2147483584") }
    if let field = fields[.files], files?.hard == .unlimited {
      reader.report("Linux admits no unlimited number of open files (fs.nr_open); write a number, such as 1048576", at: field)
    }
    return Limits(
      files: files,
      processes: fields[.processes].flatMap {
        readLimit($0, in: 1...4_194_304, "a number of processes of 1 to 4194304, or unlimited")
      },
      core: fields[.core].flatMap { readLimit($0, in: 0...(1 << 40), "a size of 0 to 1TiB (B, KiB, MiB, GiB), or unlimited", sized: true) })
  }

  private mutating func readLimit(_ field: Field, in range: ClosedRange<Int>, _ what: String, sized: Bool = false) -> Limits.Limit? {
    let expected = "\(what), or a range of them as soft..hard"
    guard let text = reader.text(field, expected: expected) else { return nil }
    let isPlain = sized || text.utf8.allSatisfy { !(UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) && $0 != UInt8(ascii: "k") }
    guard isPlain, let limit = Limits.Limit(text), limit.soft.isWithin(range), limit.hard.isWithin(range) else {
      reader.report(expected: expected, at: field)
      return nil
    }
    return limit
  }
}
