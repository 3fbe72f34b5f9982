import Hummingbird
import LastCall
import LastCallHTTP
import LastCallHummingbird
import Logging

func fromHummingbird(logger: Logger) async throws {
  let termination = Termination(logger: logger)
  let router = Router()
  router.get("/") { _, _ in "hello\n" }
  router.get("/readyz") { _, _ -> HTTPResponse.Status in termination.isStopping ? .serviceUnavailable : .ok }

  let server = HummingbirdService(
    listener: try Listener.inherited().first ?? Listener.bind(host: "0.0.0.0", port: 8080),
    router: router, connections: Connections(observer: termination), logger: logger)
  termination.add(server, name: "http")
  await termination.runAndExit()
}

func adminPort(termination: Termination, admin: Router<BasicRequestContext>, logger: Logger) throws {
  let service = HummingbirdService(listener: try Listener.bind(host: "127.0.0.1", port: 8081), router: admin, logger: logger)
  termination.add(service, name: "admin", toldIn: .exit, awaitedIn: .exit)
}
