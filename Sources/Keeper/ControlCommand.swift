import StopPlan

/// What a client of the control socket can say, one command a line (protocol version 1).
enum ControlCommand: Equatable {
  /// `stop ID DEADLINE PLAN`: DEADLINE in nanoseconds of the monotonic clock, or `-` for the plan's grace from now; PLAN or `-` for the keeper's.
  case stop(StopRequest)
  /// `kill ID`: a stop with grace 0.
  case kill(id: UInt64)
  /// `escalate ID`: skip to the next signal.
  case escalate(id: UInt64)
  /// `signal SIGNAL SCOPE`.
  case signal(Signal, StopPlan.Scope)
  /// `status`.
  case status
  /// `follow SEQ`: all events after that one, and those to come.
  case follow(Int64)

  /// Why a line is no command.
  struct Mistake: Error {
    var text: StaticString
  }

  init(line: ArraySlice<UInt8>) throws(Mistake) {
    var words: [ArraySlice<UInt8>] = []
    // The plan is the rest of the line: its hooks may hold blanks.
    var rest = line
    while words.count < 3, let blank = rest.firstIndex(of: UInt8(ascii: " ")) {
      words.append(rest[rest.startIndex..<blank])
      rest = rest[(blank + 1)...]
    }
    words.append(rest)
    let name = words[0]
    if is_(name, "stop"), words.count == 4 {
      self = .stop(try Self.request(words))
    } else if is_(name, "kill"), words.count == 2 {
      self = .kill(id: try Self.id(words[1]))
    } else if is_(name, "escalate"), words.count == 2 {
      self = .escalate(id: try Self.id(words[1]))
    } else if is_(name, "signal"), words.count == 3 {
      guard let signal = Signal(text: words[1]) else { throw Mistake(text: "expected a signal") }
      guard let scope = StopPlan.Scope(text: words[2]) else { throw Mistake(text: "expected a scope: main, group, rest or tree") }
      self = .signal(signal, scope)
    } else if is_(name, "status"), words.count == 1 {
      self = .status
    } else if is_(name, "follow"), words.count == 2 {
      guard let sequence = number(words[1]) else { throw Mistake(text: "expected a sequence number") }
      self = .follow(sequence)
    } else {
      throw Mistake(text: "expected: stop ID DEADLINE PLAN, kill ID, escalate ID, signal SIGNAL SCOPE, status, or follow SEQ")
    }
  }

  private static func request(_ words: [ArraySlice<UInt8>]) throws(Mistake) -> StopRequest {
    var request = StopRequest(id: try id(words[1]))
    if !is_(words[2], "-") {
      guard let deadline = number(words[2]) else { throw Mistake(text: "expected a deadline in nanoseconds, or -") }
      request.deadline = Instant(nanoseconds: deadline)
    }
    if !is_(words[3], "-") {
      do throws(StopPlanError) { request.plan = try StopPlan(text: words[3], grace: nil) } catch { throw Mistake(text: error.expectation) }
    }
    return request
  }

  private static func id(_ word: ArraySlice<UInt8>) throws(Mistake) -> UInt64 {
    guard let id = number(word) else { throw Mistake(text: "expected a request's id, a whole number") }
    return UInt64(id)
  }
}

private func is_(_ word: ArraySlice<UInt8>, _ literal: StaticString) -> Bool {
  guard word.count == literal.utf8CodeUnitCount else { return false }
  for offset in 0..<word.count where word[word.startIndex + offset] != literal.utf8Start[offset] { return false }
  return true
}

private func number(_ word: ArraySlice<UInt8>) -> Int64? {
  guard !word.isEmpty, word.count <= 18 else { return nil }
  var value: Int64 = 0
  for byte in word {
    guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
    value = value * 10 + Int64(byte - UInt8(ascii: "0"))
  }
  return value
}
