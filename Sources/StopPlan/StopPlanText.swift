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
    case .badLength: "expected a length: seconds (25, 0.5) or with a unit (500ms, 2m), at most ten years"
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
  @inline(never)
  public init(text: ByteView, grace: TimeSpan?, fallback: TimeSpan = .seconds(30)) throws(StopPlanError) {
    var parser = PlanParser(text: text)
    try parser.readSteps()
    self.init(steps: parser.steps, grace: grace ?? fallback)
    if grace == nil { self.grace = max(fallback, writtenLength) }
    self.floor = min(self.grace / 4, .seconds(1))
    self.reserve = parser.hasHooks ? self.grace / 4 : .zero
  }

  /// Appends the text form, which reads back as the same steps.
  public func append(to text: inout [UInt8]) {
    for index in steps.indices {
      if index > 0 { text.append(text: "/") }
      switch steps[index] {
      case .hook(let words):
        text.append(text: "hook(")
        for position in words.indices {
          if position > 0 { text.append(text: " ") }
          Words.append(word: words[position], to: &text)
        }
        text.append(text: ")")
      case .pause(let span):
        text.append(text: "pause(")
        span.append(to: &text)
        text.append(text: ")")
      case .send(let signal, let scope):
        Self.append(signal, scope, to: &text)
      case .wait(let span, let ifUseful):
        span.append(to: &text)
        if ifUseful { text.append(text: "?") }
      }
    }
  }

  private static func append(_ signal: Signal, _ scope: Scope, to text: inout [UInt8]) {
    if signal.number == 32 || signal.number == 33 { text.append(text: "-") }
    signal.appendName(to: &text)
    if scope == (signal == .kill ? .tree : .main) { return }
    text.append(text: "@")
    text.append(text: scope.name)
  }
}

extension StopPlan.Scope {
  /// The scope's word in a plan.
  public var name: ByteView {
    switch self {
    case .main: "main"
    case .group: "group"
    case .rest: "rest"
    case .tree: "tree"
    }
  }

  /// The scope of that name, or nil.
  public init?(text: ByteView) {
    switch text.position(among: "main group rest tree") {
    case 0: self = .main
    case 1: self = .group
    case 2: self = .rest
    case 3: self = .tree
    default: return nil
    }
  }
}

private struct PlanParser {
  let text: ByteView
  private(set) var steps: [StopPlan.Step] = []
  private(set) var hasHooks = false
  private var hasSent = false
  private var isOver = false

  init(text: ByteView) { self.text = text }

  mutating func readSteps() throws(StopPlanError) {
    if text.isEmpty { throw StopPlanError(problem: .empty, position: 0) }
    if text.count > 4096 { throw StopPlanError(problem: .tooLong, position: 4096) }
    var start = 0
    repeat {
      let end = try endOfStep(from: start)
      if steps.count == 64 { throw StopPlanError(problem: .tooLong, position: start) }
      try readStep(text.prefix(end).dropping(start), start)
      start = end + 1
    } while start <= text.count
    if case .wait(let alone, _)? = steps.first {
      if steps.count > 1 { throw StopPlanError(problem: .waitWithoutSend, position: 0) }
      steps = [.send(.term, .main), .wait(alone, ifUseful: false), .send(.kill, .tree)]
    }
  }

  /// The next slash that is not inside `hook(…)`.
  private func endOfStep(from start: Int) throws(StopPlanError) -> Int {
    var index = start
    var quote: UInt8 = 0
    var isInside = false
    while index < text.count {
      let byte = text[index]
      if !isInside {
        if byte == UInt8(ascii: "/") { return index }
        isInside = byte == UInt8(ascii: "(")
      } else if byte == UInt8(ascii: "\\"), quote != UInt8(ascii: "'") {
        index += 1
      } else if quote != 0 {
        if byte == quote { quote = 0 }
      } else if byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
        quote = byte
      } else if byte == UInt8(ascii: ")") {
        isInside = false
      }
      index += 1
    }
    if isInside { throw StopPlanError(problem: .openParenthesis, position: start) }
    return text.count
  }

  private mutating func readStep(_ part: ByteView, _ position: Int) throws(StopPlanError) {
    if part.isEmpty { throw StopPlanError(problem: .emptyStep, position: position) }
    var inner = part
    let isCall = part.last == UInt8(ascii: ")")
    if isCall, inner.take("pause(") {
      let span = try readSpan(inner.prefix(inner.count - 1), position + 6)
      try checkBeforeSignal(position)
      steps.append(.pause(span))
    } else if isCall, inner.take("hook(") {
      let words: [[UInt8]]
      do throws(Words.Problem) { words = try Words.split(inner.prefix(inner.count - 1)) } catch {
        throw StopPlanError(problem: .badWords, position: position + 5)
      }
      if words.isEmpty { throw StopPlanError(problem: .emptyHook, position: position + 5) }
      try checkBeforeSignal(position)
      steps.append(.hook(words))
    } else if Characters.isDigit(part[0]) || part[0] == UInt8(ascii: ".") {
      let ifUseful = part.last == UInt8(ascii: "?")
      let span = try readSpan(ifUseful ? part.prefix(part.count - 1) : part, position)
      if isOver { throw StopPlanError(problem: .killTwice, position: position) }
      if !hasSent, !steps.isEmpty { throw StopPlanError(problem: .waitWithoutSend, position: position) }
      steps.append(.wait(span, ifUseful: ifUseful))
    } else {
      try readSend(part, position)
    }
  }

  private func readSpan(_ part: ByteView, _ position: Int) throws(StopPlanError) -> TimeSpan {
    guard let span = TimeSpan(text: part) else { throw StopPlanError(problem: .badLength, position: position) }
    return span
  }

  private mutating func checkBeforeSignal(_ position: Int) throws(StopPlanError) {
    hasHooks = true
    if isOver { throw StopPlanError(problem: .killTwice, position: position) }
    if hasSent { throw StopPlanError(problem: .hookAfterSend, position: position) }
  }

  private mutating func readSend(_ part: ByteView, _ position: Int) throws(StopPlanError) {
    if part == "forever" { throw StopPlanError(problem: .unbounded, position: position) }
    var scopeName = part
    var name = scopeName.take(before: UInt8(ascii: "@"))
    let hasScope = name.count < part.count
    _ = name.take("-")
    guard let signal = Signal(text: name) else { throw StopPlanError(problem: .unknownSignal, position: position) }
    var scope: StopPlan.Scope = signal == .kill ? .tree : .main
    if hasScope {
      guard let named = StopPlan.Scope(text: scopeName) else {
        throw StopPlanError(problem: .unknownScope, position: position + part.count - scopeName.count)
      }
      scope = named
    }
    if isOver { throw StopPlanError(problem: .killTwice, position: position) }
    hasSent = true
    isOver = signal == .kill && (scope == .tree || scope == .rest)
    steps.append(.send(signal, scope))
  }
}

#if !hasFeature(Embedded)
  extension StopPlan: CustomStringConvertible {
    /// Reads a plan from a string; see `init(text:grace:fallback:)`.
    public init(_ text: String, grace: TimeSpan? = nil, fallback: TimeSpan = .seconds(30)) throws(StopPlanError) {
      try self.init(text: Array(text.utf8)[...], grace: grace, fallback: fallback)
    }

    /// Reads a plan; see `init(text:grace:fallback:)`.
    public init(text: ArraySlice<UInt8>, grace: TimeSpan?, fallback: TimeSpan = .seconds(30)) throws(StopPlanError) {
      self = try text.withView { (view) throws(StopPlanError) in try StopPlan(text: view, grace: grace, fallback: fallback) }
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
