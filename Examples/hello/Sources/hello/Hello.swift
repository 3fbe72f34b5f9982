import Foundation
import HTTPTypes
import Hummingbird
import LastCallHTTP
import LastCallHummingbird
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
      listener = try takeListener()
    } catch {
      hello.fail(error)
    }
    let (signals, continuation) = AsyncStream<Int32>.makeStream(bufferingPolicy: .bufferingNewest(8))
    Task.detached { await hello.run(listener, signals) }
    while true { continuation.yield(StopSignals.next()) }
  }

  private func run(_ listener: Listener, _ signals: AsyncStream<Int32>) async {
    let service = HummingbirdService(
      listener: listener, router: makeRouter(readiness), connections: Connections(limits: limits), options: options, logger: logger)
    let serving = Task {
      do { try await service.run() } catch { fail(error) }
    }
    logger.info("pid \(getpid()) accepts on \(service.name)")
    if !supervisor.tell("READY=1\nSTATUS=accepting on \(service.name)\n") {
      logger.error("NOTIFY_SOCKET cannot be written to, so nobody learns that this program is ready; is its reader still there?")
    }
    for await signal in signals {
      logger.info("signal \(signal) begins the stop")
      await stop(service)
      await serving.value
      exit(0)
    }
  }

  private func stop(_ service: HummingbirdService) async {
    let counts = service.connections.counts
    logger.info("stopping: \(counts.connections) connections, \(counts.active) with a request in flight")
    readiness.stop()
    supervisor.tell("STOPPING=1\nSTATUS=finishing requests in flight\n")
    let drain = Task { await service.drain() }
    let limit = Task {
      try await Task.sleep(for: bound)
      drain.cancel()
    }
    let report = await drain.value
    limit.cancel()
    if report.isClean {
      logger.info("stopped after \(report.duration), nothing was cut")
    } else {
      logger.warning(
        "stopped after \(report.duration), \(report.requestsCut) requests in flight were cut, \(report.connectionsCut) connections closed")
    }
  }

  private var options: HummingbirdService.Options {
    var options = HummingbirdService.Options()
    if let replica = HTTPField.Name("x-replica") { options.fields[replica] = "\(getpid())" }
    options.webSocket = makeEcho(at: "/ws")
    options.cutLimit = .milliseconds(100)
    return options
  }

  private var limits: DrainLimits {
    var limits = DrainLimits()
    if let linger = number("HELLO_LINGER_MS") { limits.linger = .seconds(linger / 1_000) }
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

/// Takes the listener from LISTEN_FDS, else binds HOST:PORT. Call it before there are other threads.
private func takeListener() throws -> Listener {
  if let inherited = try Listener.inherited().first { return inherited }
  let text = variable("PORT") ?? "8080"
  guard let port = UInt16(text), port > 0 else { throw Misconfigured.port(text) }
  return try Listener.bind(host: variable("HOST") ?? "127.0.0.1", port: port)
}

private enum Misconfigured: Error, CustomStringConvertible {
  case port(String)

  var description: String {
    switch self {
    case .port(let text): "PORT=\(text) is no port; set it to a number from 1 to 65535"
    }
  }
}
