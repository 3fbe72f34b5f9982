import Foundation
import Glibc

@testable import LastCall

enum DispositionCases {
  static func cancel(byIgnoring ignores: Bool) async throws {
    let first = try Signals.notify(.winch)
    let second = try Signals.notify(.winch, .hangup)
    sendSelf(.winch)
    try expect(await first.next() == .winch, "the first gets WINCH")
    try expect(await second.next() == .winch, "the second gets WINCH")
    sendSelf(.hangup)
    try expect(await second.next() == .hangup, "the second gets HUP")
    if ignores { try Signals.ignore(.winch, .hangup) } else { try Signals.reset(.winch, .hangup) }
    sendSelf(.winch)
    if ignores { sendSelf(.hangup) }
    try await settle()
    try expect(first.unread == nil && second.unread == nil, "nobody gets them any more")
    try expect(Signals.isIgnored(.hangup) == ignores, "HUP is \(ignores ? "" : "not ")ignored")
    guard !ignores else { return }
    sendSelf(.hangup)
    waitForTheEnd()
  }

  static func ignored() throws {
    let signals = try Signals.notify(.hangup)
    try expect(!Signals.isIgnored(.hangup), "what somebody subscribes to is not ignored")
    try Signals.ignore(.hangup)
    try expect(Signals.isIgnored(.hangup), "what is ignored is ignored")
    signals.stop()
    try expect(Signals.isIgnored(.hangup), "the end of a subscription that no longer has it changes nothing")
  }

  static func detectNohup(_ expected: String) throws {
    try expect(Signals.isIgnored(.hangup) == (expected == "ignored"), "HUP is \(expected)")
  }

  static func stop(_ name: String) async throws {
    guard let signal = Signal(name) else { throw Failed("no signal \(name)") }
    let signals = try Signals.notify(signal)
    sendSelf(signal)
    try expect(await signals.next() == signal, "\(name) is delivered")
    signals.stop()
    signals.stop()
    try expect(await signals.next() == nil, "the sequence has ended")
    // Ends the process unless its default action is to do nothing.
    sendSelf(signal)
    try await settle()
    if signal.defaultAction != .ignore { waitForTheEnd() }
    try expect(signals.unread == nil, "nothing comes after the end")
  }

  static func nohup(_ how: String) async throws {
    switch how {
    case "before":
      sendSelf(.hangup)
    default:
      let signals = try Signals.notify(.hangup)
      sendSelf(.hangup)
      try expect(await signals.next() == .hangup, "HUP is delivered, also under nohup")
      signals.stop()
      sendSelf(.hangup)
    }
    // Under nohup this comes to its end.
    try await settle()
    if !Signals.isIgnored(.hangup) { waitForTheEnd() }
  }

  static func resetIgnore(_ argument: String) async throws {
    let words = argument.split(separator: "+")
    guard let signal = words.first.flatMap({ Signal($0) }) else { throw Failed("no signal \(argument)") }
    try Signals.ignore(signal)
    try expect(Signals.isIgnored(signal), "\(signal) is ignored")
    try expect(try await child(ignores: signal), "a child ignores what is ignored here")
    let signals = words.count > 1 ? try Signals.notify(signal) : nil
    try Signals.reset(signal)
    try expect(!Signals.isIgnored(signal), "reset undoes ignore")
    try expect(try await !child(ignores: signal), "a child does not ignore it either")
    signals?.stop()
  }

  static func initiallyIgnored(_ name: String) async throws {
    guard let signal = Signal(name) else { throw Failed("no signal \(name)") }
    try expect(Signals.isIgnored(signal), "the case is started with \(name) ignored")
    try Signals.reset(signal)
    try expect(Signals.isIgnored(signal), "reset leaves what was ignored at the start")
    try Signals.ignore(signal)
    try Signals.reset(signal)
    try expect(Signals.isIgnored(signal), "ignore and reset, too")
    let signals = try Signals.notify(signal)
    try expect(!Signals.isIgnored(signal), "a subscription makes it come")
    signals.stop()
    try expect(Signals.isIgnored(signal), "afterwards it is ignored again")
    try expect(try await child(ignores: signal), "a child ignores it")
  }

  /// The mask of a program started from the concurrency pool.
  static func childMask() async throws {
    let ending = try await Task.detached {
      try await ChildProcess("grep", ["-q", "SigBlk:.0000000000000000", "/proc/self/status"]).ending()
    }.value
    try expect(ending == .exited(0), "nothing is blocked: \(ending)")
    let child = try ChildProcess("sleep", ["1000"])
    child.send(.terminate)
    try expect(try await child.ending() == .signalled(.terminate), "TERM ends it")
    do {
      _ = try ChildProcess("/does/not/exist")
      throw Failed("what is not there was started")
    } catch let failure as ChildProcess.Failure {
      try expect(failure.code == ENOENT, "\(failure)")
    }
  }

  static func takenOver() async throws {
    let signals = try Signals.notify(.usr1)
    try expect(!Signals.isTakenOver(.usr1), "it is ours")
    signal(SIGUSR1, SIG_IGN)
    try expect(Signals.isTakenOver(.usr1), "another part of the program has taken it")
    signals.stop()
    try expect(Signals.isIgnored(.usr1), "and keeps it")
  }

  /// Somebody saves what is set, sets something else, and puts it back after the end of the subscription.
  static func restored() async throws {
    let signals = try Signals.notify(.usr1)
    var saved = sigaction()
    sigaction(SIGUSR1, nil, &saved)
    signal(SIGUSR1, SIG_IGN)
    signals.stop()
    sigaction(SIGUSR1, &saved, nil)
    sendSelf(.usr1)
    waitForTheEnd()
  }

  /// A subscription that fails leaves what was ignored.
  static func failedNotify() throws {
    guard let reserved = Signal(number: 32) else { throw Failed("no signal 32") }
    try Signals.ignore(.hangup)
    do {
      _ = try Signals.notify(.hangup, reserved)
      throw Failed("32 was caught")
    } catch is SignalError {
      try expect(Signals.isIgnored(.hangup), "HUP is ignored as before")
    }
    try Signals.ignore(.pipe)
    Signals.followPipeRules()
    try expect(Signals.isIgnored(.pipe), "what the program ignores stays ignored")
  }

  static func uncatchable() throws {
    for signal in [Signal.kill, .stop] {
      do {
        _ = try Signals.notify(.terminate, signal)
        throw Failed("\(signal) was caught")
      } catch let error as SignalError {
        try expect(error.signal == signal && "\(error)".contains(signal.name), "\(error)")
      }
    }
    guard let reserved = Signal(number: 32) else { throw Failed("no signal 32") }
    do {
      _ = try Signals.notify(.terminate, reserved)
      throw Failed("32 was caught")
    } catch let error as SignalError {
      try expect(error.code == EINVAL, "\(error)")
    }
    try Signals.reset()
    sendSelf(.terminate)
    waitForTheEnd()
  }

  private static func child(ignores signal: Signal) async throws -> Bool {
    let output = FileManager.default.temporaryDirectory.appendingPathComponent("lastcall-\(getpid())-\(signal)").path
    defer { unlink(output) }
    let ending = try await ChildProcess("cp", ["/proc/self/status", output]).ending()
    try expect(ending == .exited(0), "cp ended: \(ending)")
    let status = try String(contentsOfFile: output, encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("SigIgn:") }),
      let mask = UInt64(line.dropFirst("SigIgn:".count).drop { $0 == "\t" }, radix: 16)
    else { throw Failed("no SigIgn in \(status)") }
    return mask & (1 << UInt64(signal.number - 1)) != 0
  }
}
