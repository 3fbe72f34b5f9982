import Glibc

@testable import LastCall

enum DeliveryCases {
  static func slowSubscriber() async throws {
    let slow = try Signals.notify(.hangup)
    let quick = try Signals.notify(.hangup)
    for _ in 0..<3 {
      sendSelf(.hangup)
      try expect(await quick.next() == .hangup, "a subscriber that is never read holds up nobody")
    }
    sendSelf(.winch)
    let everything = try Signals.notify(.hangup, .winch, .usr1)
    sendSelf(.winch)
    try expect(await everything.next() == .winch, "a wider subscription gets its signals")
    try expect(slow.unread == .hangup, "the slow one still has its pending signal")
    try expect(slow.unread == nil, "and only once")
    sendSelf(.hangup)
    try expect(await slow.next() == .hangup, "and goes on")
  }

  static func cont() async throws {
    let signals = try Signals.notify(.cont)
    sendSelf(.cont)
    try expect(await signals.next() == .cont, "CONT is delivered")
  }

  static func realTime() async throws {
    for number in [Signal.realTimeMinimum, Signal.realTimeMaximum] {
      guard let signal = Signal(number: number) else { throw Failed("no signal \(number)") }
      let signals = try Signals.notify(signal)
      sendSelf(signal)
      try expect(await signals.next() == signal, "\(signal.name) is delivered")
    }
  }

  /// Sent by somebody a fault signal is like any other; met by the program itself it ends it.
  static func fault(_ how: String) async throws {
    guard let segv = Signal(number: 11) else { throw Failed("no SEGV") }
    setFormerHandler(how)
    let signals = try Signals.notify(segv)
    sendSelf(segv)
    try expect(await signals.next() == segv, "a SEGV that was sent is delivered")
    guard how != "" else { return }
    // Below the lowest address that may be mapped, so that the access cannot succeed.
    UnsafeMutablePointer<UInt8>(bitPattern: 16)?.pointee = 1
  }

  private static func setFormerHandler(_ how: String) {
    var action = sigaction()
    switch how {
    // Not a sanitizer's, nor the backtracer's.
    case "own": action.__sigaction_handler.sa_handler = SIG_DFL
    case "reporter":
      action.sa_flags = SA_SIGINFO
      action.__sigaction_handler.sa_sigaction = { _, info, _ in
        let address = info?.pointee._sifields._sigfault.si_addr
        _exit(address == UnsafeMutableRawPointer(bitPattern: 16) ? 42 : 1)
      }
    case "plainReporter": action.__sigaction_handler.sa_handler = { number in _exit(number == SIGSEGV ? 42 : 1) }
    case "oneShot":
      action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
      action.__sigaction_handler.sa_handler = { _ in }
    case "resets": action.__sigaction_handler.sa_handler = { signal($0, SIG_DFL) }
    default: return
    }
    sigaction(SIGSEGV, &action, nil)
  }

  /// Nobody holds the subscription any more: the signal has its default action again.
  static func droppedSubscription() async throws {
    do {
      let signals = try Signals.notify(.usr1)
      sendSelf(.usr1)
      try expect(await signals.next() == .usr1, "USR1 is delivered")
    }
    sendSelf(.usr1)
    waitForTheEnd()
  }
}

/// Go's test of a program that reads from a terminal while it is stopped and continued.
enum TerminalCases {
  static func read() async throws {
    let signals = try Signals.notify(.cont, .winch)
    say("ready")
    guard let line = readLine() else { throw Failed("the read ended: \(errno)") }
    say("got \(line)")
    try expect(await signals.next() == .cont, "CONT is delivered")
  }

  private static func say(_ text: String) {
    let bytes = Array((text + "\n").utf8)
    _ = write(1, bytes, bytes.count)
  }
}
