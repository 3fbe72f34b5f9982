import GRPCCore
import GRPCNIOTransportHTTP2Posix
import LastCall
import LastCallGRPC
import Logging

struct Greeter: RegistrableRPCService {
  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {}
}

func fromGRPC(logger: Logger) async {
  let termination = Termination(logger: logger)
  let server = DrainingGRPCServer(
    transport: HTTP2ServerTransport.Posix(address: .ipv4(host: "0.0.0.0", port: 50051), transportSecurity: .plaintext),
    services: [Greeter()], termination: termination)
  termination.add(server, name: "grpc")
  await termination.runAndExit()
}

func watch(events: AsyncStream<Int>, writer: RPCWriter<Int>, context: ServerContext) async throws {
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { for await event in events { try await writer.write(event) } }
    group.addTask { try await context.cancellation.cancelled }
    try await group.next()
    group.cancelAll()
  }
}
