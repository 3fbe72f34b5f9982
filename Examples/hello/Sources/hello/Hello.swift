import Foundation
import HTTPTypes
import HelloRoutes
import Hummingbird
import LastCall
import LastCallHTTP
import LastCallHummingbird
import Logging
import ServiceLifecycle

/// A server that ends without losing a request.
@main struct Hello {
  static func main() async {
    LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
    let logger = Logger(label: "hello")
    let termination = Termination(logger: logger)
    let supervisor = Supervisor()
    let service: HummingbirdService
    do {
      service = HummingbirdService(
        listener: try takeListener(), router: makeRouter(isReady: { !termination.isStopping }),
        connections: Connections(limits: limits(logger), observer: termination), options: options, logger: logger)
    } catch {
      logger.critical("cannot serve: \(error)")
      exit(1)
    }
    termination.onStop(.notice, "supervisor") { _ in supervisor.tell("STOPPING=1\nSTATUS=finishing requests in flight\n") }
    termination.add(service, name: "http")
    termination.add(Announcement(supervisor: supervisor, name: service.name, logger: logger), name: "announcement", whenItEnds: .ignore)
    await termination.runAndExit()
  }

  private static var options: HummingbirdService.Options {
    var options = HummingbirdService.Options()
    if let replica = HTTPField.Name("x-replica") { options.fields[replica] = "\(getpid())" }
    options.webSocket = makeEcho(at: "/ws")
    options.cutLimit = .milliseconds(100)
    return options
  }

  private static func limits(_ logger: Logger) -> DrainLimits {
    var limits = DrainLimits()
    guard let text = variable("HELLO_LINGER_MS") else { return limits }
    if let milliseconds = Double(text), (0...86_400_000).contains(milliseconds) {
      limits.linger = .seconds(milliseconds / 1_000)
    } else {
      logger.warning("HELLO_LINGER_MS=\(text) is no number from 0 to 86400000 and was ignored")
    }
    return limits
  }
}

/// Says that the program is ready. As a service, since services are started once signals are taken: whoever is told may send one at once.
private struct Announcement: Service {
  let supervisor: Supervisor
  let name: String
  let logger: Logger

  func run() async {
    logger.info("pid \(getpid()) accepts on \(name)")
    if !supervisor.tell("READY=1\nSTATUS=accepting on \(name)\n") {
      logger.error("NOTIFY_SOCKET cannot be written to, so nobody learns that this program is ready; is its reader still there?")
    }
  }
}

/// Takes the listener from LISTEN_FDS, else binds HOST:PORT. Call it before there are other threads: it changes the environment.
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
