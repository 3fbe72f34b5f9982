import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// An app whose programs and hooks write down what happens to them and when, on the clock that events have.
struct LifecycleCase: Sendable {
  let workspace: Workspace

  /// What a program is told and what it does, by its options: `life=0.5` from TERM to its end, `deaf` ends by KILL only, `port=N` answers HTTP.
  private static let part = """
    import http.server, os, signal, sys, threading, time
    name = sys.argv[1]
    options = dict((word + "=").split("=")[:2] for word in sys.argv[2:])
    def tell(what):
      with open("trace", "a") as trace: trace.write(f"{time.time():.6f} {what} {name}\\n")
    def end(number, frame):
      tell(signal.Signals(number).name)
      if "deaf" in options: return
      time.sleep(float(options.get("life", 0)))
      tell("end")
      os._exit(0)
    class Handler(http.server.BaseHTTPRequestHandler):
      def log_message(self, *words): pass
      def do_GET(self):
        tell("GET" + self.path)
        while self.path == "/hang" or self.path == "/wait" and not os.path.exists("go"): time.sleep(0.02)
        self.send_response(500 if self.path == "/500" else 200)
        self.send_header("content-length", "0")
        self.end_headers()
    if "port" in options:
      server = http.server.ThreadingHTTPServer(("127.0.0.1", int(options["port"])), Handler)
      threading.Thread(target=server.serve_forever, daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1): signal.signal(number, end)
    with open("pid-" + name, "w") as file: file.write(str(os.getpid()))
    tell("start")
    open("ready-" + name, "w").close()
    while True: signal.pause()
    """

  /// - Parameters:
  ///   - stop: what is in `stop`.
  ///   - main: the program's options.
  ///   - more: further lines of the app, without their indentation.
  init(stop: String, main: String = "", more: [String] = []) throws {
    workspace = try Product.workspace()
    try workspace.write("part.py", Self.part)
    try declare(stop: stop, main: main, more: more)
  }

  /// Writes the file, anew.
  func declare(stop: String, main: String = "", more: [String] = []) throws {
    let ready = more.contains { $0.hasPrefix("ready:") } ? [] : ["ready: { exec: [test, -e, ready-main], every: 20ms }"]
    let settle = more.contains { $0.hasPrefix("update:") } ? [] : ["update: { settle: 0s }"]
    let lines = ["command: [/usr/bin/python3, part.py, main\(Self.words(main))]", "stop: { \(stop) }"] + ready + settle + more
    try workspace.write("lastcall.yaml", "apps:\n  web:\n" + lines.map { "    \($0)\n" }.joined())
  }

  /// A line of `sidecars`.
  static func sidecar(_ name: String, _ options: String = "", preStop: String = "") -> String {
    let stop = preStop.isEmpty ? "" : ", stop: { preStop: { \(preStop) } }"
    return """
        - { name: \(name), command: [/usr/bin/python3, part.py, \(name)\(words(options))], \
      ready: { exec: [test, -e, ready-\(name)], every: 20ms }\(stop) }
      """
  }

  private static func words(_ options: String) -> String { options.split(separator: " ").map { ", \($0)" }.joined() }

  /// A hook that writes down that it runs, and then does more.
  static func hook(_ name: String = "main", then more: String = "true") -> String {
    "exec: [sh, -c, \"echo $(date +%s.%N) hook \(name) >> trace; \(more)\"]".replacingOccurrences(of: "$(", with: "$$(")
  }

  func up() async throws -> Running {
    let up = try workspace.lastcall("up")
    try await up.says("RolloutComplete")
    return up
  }

  /// Stops everything, checks that it went well, and removes the workspace.
  func down(_ up: Running) async {
    up.send(.int)
    #expect(await up.ended() == .code(0), "\(up.output)")
    await workspace.remove()
  }

  @discardableResult
  func lastcall(_ arguments: String..., code: UInt8 = 0, _ location: SourceLocation = #_sourceLocation) async throws -> String {
    let run = try workspace.start(Product.path("lastcall"), arguments)
    let status = await run.ended()
    #expect(status == .code(code), "\(run.output)", sourceLocation: location)
    return run.output
  }

  // MARK: - What happened

  /// What was written down, in its order: `TERM main`, `hook mesh`.
  func trace() -> [String] { entries().map(\.what) }

  private func entries() -> [(at: Double, what: String)] {
    let text = (try? String(contentsOfFile: workspace.directory + "/trace", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { line in
      let words = line.split(separator: " ", maxSplits: 1)
      guard words.count == 2, let at = Double(words[0]) else { return nil }
      return (at, words[1].replacingOccurrences(of: "SIG", with: ""))
    }
  }

  /// The time, on the clock of what is written down and of events. Whatever waits for a time does so from after this on.
  static var now: Double { Date().timeIntervalSince1970 }

  /// When something was written down, in seconds since 1970.
  func time(_ what: String) throws -> Double {
    try #require(entries().first { $0.what == what }?.at, "\(what) is not among \(trace())")
  }

  /// Waits until something was written down.
  func until(_ what: String, _ location: SourceLocation = #_sourceLocation) async throws {
    let came = try await eventually { trace().contains(what) }
    if !came { Issue.record("\(what) did not come in \(trace())", sourceLocation: location) }
  }

  /// Checks that these were written down in this order, whatever is between them.
  func order(_ parts: String..., location: SourceLocation = #_sourceLocation) {
    var rest = trace()[...]
    for part in parts {
      guard let index = rest.firstIndex(of: part) else {
        Issue.record("\(part) is missing, or not in its place, in \(trace())", sourceLocation: location)
        return
      }
      rest = rest[(index + 1)...]
    }
  }

  struct Event: Decodable {
    var at: Double
    var reason: String
    var message: String
    var replica: String?
    var kind: String
  }

  func events() async throws -> [Event] {
    let text = try await lastcall("events", "-n", "1000", "-o", "json")
    return try text.split(separator: "\n").map { try JSONDecoder().decode(Event.self, from: Data($0.utf8)) }
  }

  /// The event of that reason whose message has that text; fails the test when there is none.
  func event(_ reason: String, _ text: String = " ") async throws -> Event {
    let events = try await events()
    return try #require(events.first { $0.reason == reason && $0.message.contains(text) }, "\(reason) \(text) is not in \(events)")
  }

  func has(_ reason: String, _ text: String = " ") async throws -> Bool {
    try await events().contains { $0.reason == reason && $0.message.contains(text) }
  }

  /// Makes a file that a program or a hook waits for.
  func touch(_ name: String) throws { try workspace.write(name, "") }

  /// The pid that a part has written down.
  func pid(_ name: String) throws -> Int32 {
    let text = try String(contentsOfFile: workspace.directory + "/pid-\(name)", encoding: .utf8)
    return try #require(Int32(text))
  }
}
