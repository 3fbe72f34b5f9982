import GRPCCore
import LastCall
import ServiceLifecycle

/// A gRPC server as a service: it serves until it is told to shut down gracefully, then takes no new RPCs and lets those in flight end.
///
/// ```swift
/// let server = DrainingGRPCServer(transport: transport, services: [greeter], termination: termination)
/// termination.add(server, name: "grpc")
/// ```
public struct DrainingGRPCServer<Transport: ServerTransport>: Service {
  /// The server itself. It can be started once.
  public let server: GRPCServer<Transport>

  /// A service around a server that exists already. Its RPCs are named in a stop's log and report only if ``RPCTracking`` is one of its
  /// interceptors.
  public init(_ server: GRPCServer<Transport>) { self.server = server }

  /// A server whose RPCs are tracked by a termination.
  /// - Parameters:
  ///   - transport: what it listens with.
  ///   - services: what it offers.
  ///   - interceptors: applied to every RPC, the first outermost; all of them inside of ``RPCTracking``.
  ///   - termination: is told of every RPC.
  public init(
    transport: Transport, services: [any RegistrableRPCService], interceptors: [any ServerInterceptor] = [], termination: Termination
  ) {
    let tracking: [any ServerInterceptor] = [RPCTracking(termination)]
    self.init(GRPCServer(transport: transport, services: services, interceptors: tracking + interceptors))
  }

  /// Serves until it is told to shut down gracefully and the last RPC has ended.
  ///
  /// When its task is cancelled it ends at once: so are the tasks of its RPCs, and one that does not heed that is left behind.
  /// - Throws: what the server throws before it is told: `RuntimeError` when the transport cannot listen or fails, or when the server was
  ///   started before.
  public func run() async throws {
    let (outcomes, finish) = AsyncStream<Result<Void, any Error>>.makeStream()
    // A task of its own, since a task group would wait for handlers that do not heed their cancellation.
    let serving = Task { [server] in
      do {
        try await server.serve()
        finish.yield(.success(()))
      } catch {
        finish.yield(.failure(error))
      }
      finish.finish()
    }
    // A cancelled task's iteration ends without a value.
    let outcome = await withTaskCancellationHandler {
      await withGracefulShutdownHandler {
        await outcomes.first { _ in true }
      } onGracefulShutdown: { [server] in
        server.beginGracefulShutdown()
      }
    } onCancel: {
      serving.cancel()
    }
    guard !Task.isCancelled else { return }
    do {
      try outcome?.get()
    } catch let error as RuntimeError where Task.isShuttingDownGracefully && [.serverIsStopped, .transportError].contains(error.code) {
      // It was told before it had begun to listen, or while it did. A transport that breaks in the drain is at its end too: what that cuts is
      // counted where it is tracked.
    }
  }
}
