import Load

/// The command line, read.
struct Arguments {
  var plan: LoadPlan
  var json = false
  var progress: Bool?
  var readyDescriptor: Int32?

  private typealias Change = (inout Arguments) -> Void

  /// What is wrong with a command line.
  struct UsageError: Error, Equatable {
    var message: String
  }

  static let help = """
    usage: LoadClient [options] http://127.0.0.1:PORT

    Keeps connections busy and puts every request that did not get its whole, right answer into a class.

      --connections N        connections kept busy, 1 to 4096 (64)
      --mix NAME=W,...       keep-alive=24,new=16,slow=8,stream=8,post=8; there are also pipelined and websocket
      --other ADDRESS        a second instance: USR1 sends new connections there, the next USR1 back
      --duration TIME        30s, 500ms or 2m, at most 20m (30s)
      --requests N           begin no more than N requests
      --timeout TIME         a request is lost when no byte has moved for this long (15s)
      --think TIME           pause of a connection between requests (0s)
      --path-get PATH        what keep-alive, new and pipelined ask for (/)
      --path-slow PATH       something that takes about a second (/slow?ms=1000)
      --path-stream PATH     a long or chunked response (/stream?chunks=20&ms=50)
      --path-post PATH       where bodies go (/upload)
      --path-websocket PATH  a WebSocket that echoes (/ws)
      --accept-post S,S      statuses that are right answers to a POST (200 to 299)
      --verify-post          a POST's answer must be {"bytes":N,"fnv":"hex"} and right
      --slow-read            slow reads so slowly that a response takes about a second
      --same-body            all bodies of the slow and of the stream path must be the same
      --seed N               seed of bodies and sizes (random)
      --json                 one JSON object instead of a table
      --progress             a line every second on stderr even when that is no terminal
      --ready-fd N           write one byte to descriptor N when every connection has had an answer

    INT or TERM ends it: requests in flight are finished, then the result is printed.
    Exit status: 0 nothing lost and something asked for, 1 something lost or nothing asked for, 2 usage.
    """

  /// Reads the arguments after the program's name; nil when help was asked for.
  init?(_ words: some Sequence<String>) throws(UsageError) {
    var plan: LoadPlan?
    var changes: [Change] = []
    var rest = words.makeIterator()
    while let word = rest.next() {
      if word == "--help" || word == "-h" { return nil }
      guard word.hasPrefix("--") else {
        guard plan == nil else { throw UsageError(message: "'\(word)': only one address can be given") }
        guard let target = Endpoint(parsing: word) else {
          throw UsageError(message: "'\(word)' is no address of this machine; write http://127.0.0.1:PORT")
        }
        plan = LoadPlan(target: target)
        continue
      }
      let halves = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let name = String(halves[0])
      if let flag = Self.flags[name] {
        if halves.count == 2 { throw UsageError(message: "\(name) takes no value") }
        changes.append(flag)
        continue
      }
      guard let value = halves.count == 2 ? String(halves[1]) : rest.next() else {
        throw UsageError(message: "\(name) needs a value, or is no option; see --help")
      }
      changes.append(try Self.change(name, value))
    }
    guard var chosen = plan else { throw UsageError(message: "the address is missing; write http://127.0.0.1:PORT") }
    chosen.seed = UInt64.random(in: 0...UInt64(UInt32.max))
    self.plan = chosen
    for change in changes { change(&self) }
  }

  private static var flags: [String: Change] {
    [
      "--json": { $0.json = true },
      "--progress": { $0.progress = true },
      "--verify-post": { $0.plan.verifyPost = true },
      "--slow-read": { $0.plan.slowRead = true },
      "--same-body": { $0.plan.sameBody = true },
    ]
  }

  private static func change(_ name: String, _ value: String) throws(UsageError) -> Change {
    switch name {
    case "--connections":
      let count = try number(name, value, 1...4096)
      return { $0.plan.connections = count }
    case "--mix":
      do {
        let mix = try Mix(parsing: value)
        return { $0.plan.mix = mix }
      } catch {
        throw UsageError(message: error.description)
      }
    case "--duration":
      let time = try duration(name, value)
      guard time <= LoadPlan.longestDuration else {
        throw UsageError(message: "--duration \(value) is longer than 20m, the most a run may take")
      }
      return { $0.plan.duration = time }
    case "--other":
      guard let other = Endpoint(parsing: value) else {
        throw UsageError(message: "--other '\(value)' is no address of this machine; write http://127.0.0.1:PORT")
      }
      return { $0.plan.otherTarget = other }
    case "--requests":
      let count = try number(name, value, 1...Int.max)
      return { $0.plan.requests = count }
    case "--timeout":
      let time = try duration(name, value)
      guard time > .zero, time <= .seconds(300) else { throw UsageError(message: "--timeout must be more than 0 and at most 5m") }
      return { $0.plan.timeout = time }
    case "--seed":
      let seed = UInt64(try number(name, value, 0...Int.max))
      return { $0.plan.seed = seed }
    case "--ready-fd":
      let descriptor = Int32(try number(name, value, 0...1_048_576))
      return { $0.readyDescriptor = descriptor }
    case "--think":
      let time = try duration(name, value)
      return { $0.plan.think = time }
    case "--path-get", "--path-slow", "--path-stream", "--path-post", "--path-websocket": return try pathChange(name, value)
    case "--accept-post":
      let statuses = try value.split(separator: ",", omittingEmptySubsequences: false).map { part throws(UsageError) in
        try number(name, String(part), 100...599)
      }
      return { $0.plan.acceptPost = Set(statuses) }
    default: throw UsageError(message: "there is no option \(name); see --help")
    }
  }

  private static func pathChange(_ name: String, _ value: String) throws(UsageError) -> Change {
    guard value.hasPrefix("/"), value.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
      throw UsageError(message: "\(name) '\(value)' must begin with / and have no blanks in it")
    }
    return { arguments in
      switch name {
      case "--path-get": arguments.plan.pathGet = value
      case "--path-slow": arguments.plan.pathSlow = value
      case "--path-stream": arguments.plan.pathStream = value
      case "--path-websocket": arguments.plan.pathWebSocket = value
      default: arguments.plan.pathPost = value
      }
    }
  }

  private static func number(_ name: String, _ value: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int {
    guard let number = Int(value), range.contains(number) else {
      let most = range.upperBound == Int.max ? "up" : "to \(range.upperBound)"
      throw UsageError(message: "\(name) '\(value)' is no number from \(range.lowerBound) \(most)")
    }
    return number
  }

  /// Reads `30s`, `500ms`, `2m` or plain seconds.
  private static func duration(_ name: String, _ value: String) throws(UsageError) -> Duration {
    let units: [(suffix: String, milliseconds: Double)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("", 1_000)]
    for unit in units where value.hasSuffix(unit.suffix) {
      guard let number = Double(value.dropLast(unit.suffix.count)), number >= 0, number <= 1e9 else { break }
      return .milliseconds(Int64(min(number * unit.milliseconds, 1e12)))
    }
    throw UsageError(message: "\(name) '\(value)' is no time; write 30s, 500ms or 2m")
  }
}
