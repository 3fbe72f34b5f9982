import Foundation
import Logging

/// A server that ends without losing a request.
@main struct Hello {
  private let logger: Logger
  private let supervisor = Supervisor()
  private let readiness = Readiness()

  /// The main thread takes the signals, so the program's work is a task: an asynchronous `main` would end in `dispatch_main`,
  /// which waits with all signals unblocked.
  static func main() {
    StopSignals.block()
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    let hello = Hello(logger: Logger(label: "hello"))
    let listener: Listener
    do {
      listener = try Listener.take()
    } catch {
      hello.fail(error)
    }
    let (signals, continuation) = AsyncStream<Int32>.makeStream(bufferingPolicy: .bufferingNewest(8))
    Task.detached { await hello.run(listener, signals) }
    while true { continuation.yield(StopSignals.next()) }
  }

  private func run(_ listener: Listener, _ signals: AsyncStream<Int32>) async {
    do {
      let responder = makeResponder(makeRouter(readiness), logger: logger)
      let server = try Server(listener: listener, responder: responder, limits: limits, logger: logger)
      let serving = Task { await server.run() }
      logger.info("pid \(getpid()) accepts on \(listener.name)")
      if !supervisor.tell("READY=1\nSTATUS=accepting on \(listener.name)\n") {
        logger.error("NOTIFY_SOCKET cannot be written to, so nobody learns that this program is ready; is its reader still there?")
      }
      for await signal in signals {
        logger.info("signal \(signal) begins the stop")
        await stop(server, serving)
        exit(0)
      }
    } catch {
      fail(error)
    }
  }

  private func stop(_ server: Server, _ serving: Task<Void, Never>) async {
    let begun = ContinuousClock.now
    let connections = server.connections
    logger.info("stopping: \(connections.count) connections, \(connections.busyCount) with a request in flight")
    readiness.stop()
    supervisor.tell("STOPPING=1\nSTATUS=finishing requests in flight\n")
    server.stop()
    let hasEnded = await ends(serving, within: bound - (ContinuousClock.now - begun))
    let took = ContinuousClock.now - begun
    if hasEnded {
      logger.info("stopped after \(took), nothing was cut")
    } else {
      logger.warning("stopped after \(took), \(connections.busyCount) requests in flight were cut, \(connections.count) connections closed")
    }
  }

  /// Waits until `serving` has ended or the time is over; says whether it has ended.
  private func ends(_ serving: Task<Void, Never>, within limit: Duration) async -> Bool {
    let (outcomes, continuation) = AsyncStream<Bool>.makeStream()
    Task {
      await serving.value
      continuation.yield(true)
    }
    Task {
      try await Task.sleep(for: limit)
      continuation.yield(false)
    }
    for await hasEnded in outcomes { return hasEnded }
    return false
  }

  private var limits: ConnectionDrain.Limits {
    var limits = ConnectionDrain.Limits()
    if let linger = number("HELLO_LINGER_MS") { limits.linger = UInt64(linger * 1_000_000) }
    return limits
  }

  /// How long a stop may take. It ends half a second early: what was cut is better said than killed while saying it.
  private var bound: Duration {
    .seconds(max(0, (number("LASTCALL_GRACE") ?? 25) - 0.5))
  }

  private func number(_ name: String) -> Double? {
    guard let text = variable(name) else { return nil }
    guard let number = Double(text), (0...86_400_000).contains(number) else {
      logger.warning("\(name)=\(text) is no number from 0 to 86400000 and was ignored")
      return nil
    }
    return number
  }

  private func fail(_ error: any Error) -> Never {
    logger.critical("cannot serve: \(error)")
    exit(1)
  }
}
