#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

extension Termination {
  /// ``run()``, then exits with the report's code.
  ///
  /// A thread outside of the concurrency pool makes sure of the end: when the pool is blocked, so that not even the deadline is
  /// noticed, the process exits a second after it with the code of a stop that was forced.
  public func runAndExit() async -> Never {
    let watchdog = Watchdog(configuration: configuration, logger: logger)
    state.withLockedValue { $0.watchdog = watchdog }
    let watched = configuration.stopOn.keys.filter { $0.canBeCaught && !ProcessSignals.isLeftIgnored($0) }
    let observation = try? SignalHub.shared.observe(watched) { watchdog.saw($0) }
    let report = await run()
    watchdog.ended(with: report.exitCode)
    // Until the very end: a TERM that is repeated now must not end the process by its default action.
    withExtendedLifetime(observation) { exit(report.exitCode) }
  }
}
