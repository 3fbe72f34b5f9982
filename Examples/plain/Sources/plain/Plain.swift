import Foundation
import HelloRoutes
import Hummingbird

/// The routes of hello on Hummingbird alone, run as its documentation says. It shows what a stop costs without the library.
@main struct Plain {
  static func main() async throws {
    let environment = ProcessInfo.processInfo.environment
    let application = Application(
      router: makeRouter(isReady: { true }),
      configuration: ApplicationConfiguration(
        address: .hostname(environment["HOST"] ?? "127.0.0.1", port: environment["PORT"].flatMap(Int.init) ?? 8080),
        // One field in every response, as hello's x-replica.
        serverName: "\(getpid())"))
    try await application.runService()
  }
}
