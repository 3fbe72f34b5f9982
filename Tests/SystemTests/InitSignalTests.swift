import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// What reaches the program, and what it inherits.
@Suite struct InitSignalTests {
  @Test(arguments: InitBinary.all)
  func realTimeSignalsKeepTheirOrderAndValue(binary: InitBinary) async throws {
    // siginfo_t on 64-bit Linux: si_signo, si_errno, si_code, padding, si_pid, si_uid, si_value.
    let program = """
      import ctypes, signal, struct
      libc = ctypes.CDLL(None)
      wanted = {signal.SIGRTMIN + 3, signal.SIGTERM}
      signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
      mask = (ctypes.c_ulong * 16)()
      for number in wanted: mask[0] |= 1 << (number - 1)
      print("ready", flush=True)
      while True:
        info = ctypes.create_string_buffer(128)
        number = libc.sigwaitinfo(ctypes.byref(mask), info)
        if number == signal.SIGTERM: break
        code, value = struct.unpack_from("i", info.raw, 8)[0], struct.unpack_from("q", info.raw, 24)[0]
        print("got", number - signal.SIGRTMIN, code, value, flush=True)
      """
    let run = try InitRun(binary.path, ["--grace", "60", "python3", "-c", program])
    try await run.line("ready")
    let signal = try #require(Signal("RTMIN+3"))
    for value in [11, -22, 1 << 40] { try run.send(signal, value: value) }
    try await run.line("got 3 -1 \(1 << 40)")
    try run.send(.term)
    #expect(try await run.code() == 0)
    #expect(run.lines.filter { $0.hasPrefix("got") } == ["got 3 -1 11", "got 3 -1 -22", "got 3 -1 \(1 << 40)"])
  }

  @Test(arguments: InitBinary.all)
  func everyForwardableSignalArrives(binary: InitBinary) async throws {
    let program = """
      import signal, sys
      numbers = [n for n in range(1, 65) if n not in (4, 5, 6, 7, 8, 9, 11, 17, 19, 31, 15, 2, 18, 20, 21, 22, 32, 33)]
      for n in numbers: signal.signal(n, lambda got, frame: print("got", got, flush=True))
      print("numbers", *numbers, flush=True)
      while True: signal.pause()
      """
    let run = try InitRun(binary.path, ["--grace", "60", "python3", "-c", program])
    try await eventually("the numbers") { run.lines.contains { $0.hasPrefix("numbers ") } }
    let numbers = run.lines[0].split(separator: " ").dropFirst().compactMap { Int32($0) }
    #expect(numbers.contains(34) && numbers.contains(64) && numbers.contains(1))
    for number in numbers {
      try run.send(try #require(Signal(number: number)))
      try await run.line("got \(number)")
    }
    try run.send(.term)
    #expect(try await run.code() == 143)
  }

  @Test(arguments: InitBinary.all)
  func theInheritedMaskAndIgnoredSignalsReachTheProgram(binary: InitBinary) async throws {
    let hup = UInt64(1) << 0
    let chld = UInt64(1) << 16
    let run = try InitRun(binary.path, ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]) { program in
      program.mask = [.usr1]
      program.ignored = hup | chld
      program.defaulted &= ~(hup | chld)
    }
    #expect(try await run.code() == 0)
    #expect(run.lines == ["SigBlk:\t0000000000000200", "SigIgn:\t0000000000010001"], "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func nothingIsBlockedOrIgnoredWhenNothingWas(binary: InitBinary) async throws {
    let run = try InitRun(binary.path, ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"])
    #expect(try await run.code() == 0)
    #expect(run.lines == ["SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"], "\(run.output)")
  }

  @Test(arguments: InitBinary.all)
  func aSignalThatComesEarlyIsNotLost(binary: InitBinary) async throws {
    for attempt in 0..<300 {
      let run = try InitRun(binary.path, ["--grace", "90", "sleep", "100"])
      // 0 to 3 ms after the start, in steps of 10 µs.
      usleep(UInt32(attempt * 10))
      try run.send(.term)
      let code = try await run.code()
      #expect(code == 143, "attempt \(attempt)")
      if code != 143 || run.seconds > 60 { return }
    }
  }

  @Test(arguments: InitBinary.all)
  func stopOnChoosesTheSignalsThatBeginTheStop(binary: InitBinary) async throws {
    let run = try InitRun.script(
      binary, ["--stop-on", "QUIT,RTMIN+1", "--grace", "60"],
      "trap 'echo term' TERM; trap 'echo usr1' USR1; trap 'echo quit; exit 8' QUIT; echo ready; while :; do sleep 0.05; done")
    try await run.line("ready")
    try run.send(.term)
    try await run.line("term")
    try run.send(.usr1)
    try await run.line("usr1")
    try run.send(.quit)
    #expect(try await run.code() == 8)
  }
}
