import Foundation
import LastCall
import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

/// Programs that stop, one a run, to be stopped by real signals: `Tests/LastCallTests/Termination/StoppedProcessTests.swift`.
@main struct StopCases {
  static func main() async {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    var configuration = TerminationConfiguration()
    let name = CommandLine.arguments.dropFirst().first ?? ""
    switch name {
    case "signalCode": configuration.exitCodes.afterSignal = .signal
    case "blocked": configuration.grace = .milliseconds(500)
    case "stuck": configuration.grace = .milliseconds(200)
    default: break
    }
    if name == "stuckByEnvironment", configuration.grace != .milliseconds(500) { exit(1) }
    let termination = Termination(configuration: configuration, logger: Logger(label: "case"))
    if name == "exitHandler" { atexit { while true { usleep(100_000) } } }
    if name == "failing" { termination.add(Failing(), name: "failing") }
    if name.hasPrefix("stuck") { termination.onStop(.drain, "stuck") { _ in await forever() } }
    if name == "broken" { termination.onStop(.flush, "broken") { _ in throw Failing.Failure() } }
    termination.add(Ready(blocksThePool: name == "blocked"), name: "ready", whenItEnds: .ignore)
    await termination.runAndExit()
  }

  private static func forever() async {
    while true { try? await Task.sleep(for: .seconds(1_000)) }
  }
}

/// Says that the program can be stopped: the signals are subscribed to before any service runs.
struct Ready: Service {
  let blocksThePool: Bool

  func run() async throws {
    guard blocksThePool else { return Self.say() }
    // The pool has a thread for each core.
    let cores = ProcessInfo.processInfo.activeProcessorCount
    let blocked = NIOLockedValueBox(0)
    for _ in 0..<(2 * cores) {
      Task.detached {
        let count = blocked.withLockedValue { count in
          count += 1
          return count
        }
        if count == cores { Self.say() }
        while true { usleep(100_000) }
      }
    }
  }

  private static func say() {
    var byte: UInt8 = 10
    write(1, &byte, 1)
  }
}

struct Failing: Service {
  struct Failure: Error {}
  func run() async throws { throw Failure() }
}
