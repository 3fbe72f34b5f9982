/// Why a plan's text is not a plan: what was wrong and where.
public struct StopPlanError: Error, Equatable, Sendable {
  /// The kinds of mistake.
  public enum Problem: Equatable, Sendable {
    case empty, tooLong, emptyStep, unknownSignal, unknownScope, badLength, unbounded, openParenthesis, badWords, emptyHook, waitWithoutSend
    case hookAfterSend, killTwice
  }
  /// What was wrong.
  public var problem: Problem
  /// The offset in bytes of the part that was wrong, from 0.
  public var position: Int

  /// What was expected there, for a message.
  public var expectation: StaticString {
    switch problem {
    case .empty: "the plan is empty; write one as TERM/25/KILL"
    case .tooLong: "the plan is longer than 4096 bytes or 64 steps"
    case .emptyStep: "a step is missing between two slashes"
    case .unknownSignal:
      "expected a signal (TERM, SIGQUIT, 15 with a dash as -15, RTMIN+1), a length (25, 500ms), pause(2) or hook(command)"
    case .unknownScope: "expected a scope after @: main, group, rest or tree"
    case .badLength: "expected a length of time: seconds (25, 0.5) or with a unit (500ms, 2m), at most ten years"
    case .unbounded: "a stop plan always ends: write a length instead of 'forever'"
    case .openParenthesis: "expected a closing parenthesis"
    case .badWords: "a quote is not closed, or a backslash stands at the end"
    case .emptyHook: "expected a command in hook(...)"
    case .waitWithoutSend: "a wait belongs after a signal; to wait before it write pause(2)"
    case .hookAfterSend: "hooks and pauses come before the first signal"
    case .killTwice: "nothing can follow KILL@tree: everything is gone after it"
    }
  }
}

extension StopPlan {
  /// Reads the text form: steps separated by slashes, as in Debian's `start-stop-daemon --retry` (start-stop-daemon(8)), extended.
  ///
  ///     plan  = step *("/" step)
  ///     step  = signal ["@" scope]      send; scope is main, group, rest or tree; main by default, tree for KILL
  ///           | length ["?"]            wait for it; with "?" only if waiting can help
  ///           | "pause(" length ")" | "hook(" words ")"
  ///
  /// A single length N is short for `TERM/N/KILL`. A signal by number wears a dash (`-15`), since a bare number is a length.
  ///
  /// - Parameters:
  ///   - text: the ASCII bytes.
  ///   - grace: the budget when the caller has set one; nil takes `fallback`, or the text's own length when that is longer.
  ///   - fallback: the budget of those who did not set one.
  public init(text: ArraySlice<UInt8>, grace: TimeSpan?, fallback: TimeSpan = .seconds(30)) throws(StopPlanError) {
    var parser = PlanParser(text: text)
    let steps = try parser.steps()
    self.init(steps: steps, grace: grace ?? fallback)
    if grace == nil { self.grace = max(fallback, writtenLength) }
    if case .wait(let alone, _)? = steps.first, steps.count == 1 {
      self.steps = [.send(.term, .main), .wait(alone, ifUseful: false), .send(.kill, .tree)]
    }
    self.floor = min(self.grace / 4, .seconds(1))
    self.reserve = hasHooks ? self.grace / 4 : .zero
  }

  private var hasHooks: Bool {
    for step in steps {
      switch step {
      case .hook, .pause: return true
      case .send, .wait: break
      }
    }
    return false
  }

  /// Appends the text form, which reads back as the same steps.
  public func append(to text: inout [UInt8]) {
    for (index, step) in steps.enumerated() {
      if index > 0 { text.append(UInt8(ascii: "/")) }
      switch step {
      case .hook(let words):
        text.append(text: "hook(")
        for (position, word) in words.enumerated() {
          if position > 0 { text.append(UInt8(ascii: " ")) }
          Words.append(word: word, to: &text)
        }
        text.append(UInt8(ascii: ")"))
      case .pause(let span):
        text.append(text: "pause(")
        span.append(to: &text)
        text.append(UInt8(ascii: ")"))
      case .send(let signal, let scope):
        Self.append(signal, scope, to: &text)
      case .wait(let span, let ifUseful):
        span.append(to: &text)
        if ifUseful { text.append(UInt8(ascii: "?")) }
      }
    }
  }

  private static func append(_ signal: Signal, _ scope: Scope, to text: inout [UInt8]) {
    if signal.number == 32 || signal.number == 33 { text.append(UInt8(ascii: "-")) }
    signal.appendName(to: &text)
    if scope == (signal == .kill ? .tree : .main) { return }
    text.append(UInt8(ascii: "@"))
    text.append(text: scope.name)
  }
}

extension StopPlan.Scope {
  /// The scope's word in a plan.
  public var name: StaticString {
    switch self {
    case .main: "main"
    case .group: "group"
    case .rest: "rest"
    case .tree: "tree"
    }
  }

  /// The scope of that name, or nil.
  public init?(text: ArraySlice<UInt8>) {
    if Characters.equal(text, "main") {
      self = .main
    } else if Characters.equal(text, "group") {
      self = .group
    } else if Characters.equal(text, "rest") {
      self = .rest
    } else if Characters.equal(text, "tree") {
      self = .tree
    } else {
      return nil
    }
  }
}

private struct PlanParser {
  let text: ArraySlice<UInt8>

  mutating func steps() throws(StopPlanError) -> [StopPlan.Step] {
    guard !text.isEmpty else { throw StopPlanError(problem: .empty, position: 0) }
    guard text.count <= 4096 else { throw StopPlanError(problem: .tooLong, position: 4096) }
    var steps: [StopPlan.Step] = []
    var start = text.startIndex
    while true {
      let end = try endOfStep(from: start)
      let step = try self.step(text[start..<end])
      try checkOrder(step, after: steps, at: start)
      steps.append(step)
      guard steps.count <= 64 else { throw StopPlanError(problem: .tooLong, position: start - text.startIndex) }
      if end == text.endIndex { break }
      start = end + 1
    }
    if case .wait? = steps.first, steps.count > 1 { throw StopPlanError(problem: .waitWithoutSend, position: 0) }
    return steps
  }

  /// The next slash that is not inside `hook(…)`.
  private func endOfStep(from start: Int) throws(StopPlanError) -> Int {
    var index = start
    var quote: UInt8 = 0
    var inside = false
    while index < text.endIndex {
      let byte = text[index]
      if !inside {
        if byte == UInt8(ascii: "/") { return index }
        if byte == UInt8(ascii: "(") { inside = true }
      } else if quote != 0 {
        if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") { index += 1 } else if byte == quote { quote = 0 }
      } else if byte == UInt8(ascii: "\\") {
        index += 1
      } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
        quote = byte
      } else if byte == UInt8(ascii: ")") {
        inside = false
      }
      index += 1
    }
    if inside { throw StopPlanError(problem: .openParenthesis, position: start - text.startIndex) }
    return text.endIndex
  }

  private func step(_ part: ArraySlice<UInt8>) throws(StopPlanError) -> StopPlan.Step {
    let position = part.startIndex - text.startIndex
    guard let first = part.first else { throw StopPlanError(problem: .emptyStep, position: position) }
    if let inner = argument(of: "pause(", part) {
      guard let span = TimeSpan(text: inner) else { throw StopPlanError(problem: .badLength, position: position + 6) }
      return .pause(span)
    }
    if let inner = argument(of: "hook(", part) {
      let words: [[UInt8]]
      do throws(Words.Problem) { words = try Words.split(inner) } catch {
        throw StopPlanError(problem: .badWords, position: position + 5)
      }
      guard !words.isEmpty else { throw StopPlanError(problem: .emptyHook, position: position + 5) }
      return .hook(words)
    }
    if Characters.isDigit(first) || first == UInt8(ascii: ".") { return try wait(part, position) }
    if Characters.equal(part, "forever") { throw StopPlanError(problem: .unbounded, position: position) }
    return try send(part, position)
  }

  private func argument(of name: StaticString, _ part: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard Characters.startsWith(part, name), part.last == UInt8(ascii: ")") else { return nil }
    return part.dropFirst(name.utf8CodeUnitCount).dropLast()
  }

  private func wait(_ part: ArraySlice<UInt8>, _ position: Int) throws(StopPlanError) -> StopPlan.Step {
    let ifUseful = part.last == UInt8(ascii: "?")
    guard let span = TimeSpan(text: ifUseful ? part.dropLast() : part) else {
      throw StopPlanError(problem: .badLength, position: position)
    }
    return .wait(span, ifUseful: ifUseful)
  }

  private func send(_ part: ArraySlice<UInt8>, _ position: Int) throws(StopPlanError) -> StopPlan.Step {
    let at = part.firstIndex(of: UInt8(ascii: "@")) ?? part.endIndex
    var name = part[part.startIndex..<at]
    if name.first == UInt8(ascii: "-") { name = name.dropFirst() }
    guard let signal = Signal(text: name) else { throw StopPlanError(problem: .unknownSignal, position: position) }
    guard at < part.endIndex else { return .send(signal, signal == .kill ? .tree : .main) }
    guard let scope = StopPlan.Scope(text: part[(at + 1)...]) else {
      throw StopPlanError(problem: .unknownScope, position: at + 1 - text.startIndex)
    }
    return .send(signal, scope)
  }

  private func checkOrder(_ step: StopPlan.Step, after steps: [StopPlan.Step], at start: Int) throws(StopPlanError) {
    let position = start - text.startIndex
    var sent = false
    for earlier in steps {
      if case .send(let signal, let scope) = earlier {
        sent = true
        if signal == .kill, scope != .main, scope != .group { throw StopPlanError(problem: .killTwice, position: position) }
      }
    }
    switch step {
    case .hook, .pause: if sent { throw StopPlanError(problem: .hookAfterSend, position: position) }
    case .wait: if !sent, !steps.isEmpty { throw StopPlanError(problem: .waitWithoutSend, position: position) }
    case .send: break
    }
  }
}

#if !hasFeature(Embedded)
  extension StopPlan: CustomStringConvertible {
    /// Reads a plan from a string; see `init(text:grace:fallback:)`.
    public init(_ text: String, grace: TimeSpan? = nil, fallback: TimeSpan = .seconds(30)) throws(StopPlanError) {
      try self.init(text: Array(text.utf8)[...], grace: grace, fallback: fallback)
    }

    /// The text form.
    public var description: String {
      var text: [UInt8] = []
      append(to: &text)
      return String(decoding: text, as: UTF8.self)
    }
  }

  extension StopPlanError: CustomStringConvertible {
    /// Where and what.
    public var description: String { "at character \(position + 1): \(expectation)" }
  }
#endif
