import GRPCCore
import LastCall

/// Tells a termination of every RPC from its begin to its last message, so that the log and the report of a stop name what is in flight.
///
/// It should be the first interceptor: what those before it do is not seen. RPCs are requests, named `package.Service/Method`. As cut count
/// those whose task was cancelled, those that ended with an error after the RPC was cancelled, and those whose answer was never
/// sent. An error status by itself is an answer like any other.
public struct RPCTracking: ServerInterceptor {
  private let termination: Termination

  /// An interceptor for one server or several.
  /// - Parameter termination: is told of every RPC.
  public init(_ termination: Termination) { self.termination = termination }

  /// What the server calls for every RPC.
  public func intercept<Input: Sendable, Output: Sendable>(
    request: StreamingServerRequest<Input>, context: ServerContext,
    next: @Sendable (_ request: StreamingServerRequest<Input>, _ context: ServerContext) async throws -> StreamingServerResponse<Output>
  ) async throws -> StreamingServerResponse<Output> {
    let rpc = RPCInFlight(termination.beginWork(context.descriptor.fullyQualifiedMethod, kind: .request), context.cancellation)
    let response: StreamingServerResponse<Output>
    do {
      response = try await next(request, context)
    } catch {
      rpc.failed()
      throw error
    }
    switch response.accepted {
    case .failure:
      rpc.failed()
      return response
    case .success(var contents):
      // The messages are made only when the transport asks for them: the RPC lasts until then.
      contents.producer = { [produce = contents.producer] writer in
        do {
          let trailers = try await produce(writer)
          rpc.succeeded()
          return trailers
        } catch {
          rpc.failed()
          throw error
        }
      }
      return StreamingServerResponse(accepted: .success(contents))
    }
  }
}

/// An RPC that is in flight as long as somebody may still send its answer.
private final class RPCInFlight: Sendable {
  private let work: TrackedWork
  private let cancellation: ServerContext.RPCCancellationHandle

  init(_ work: TrackedWork, _ cancellation: ServerContext.RPCCancellationHandle) {
    self.work = work
    self.cancellation = cancellation
  }

  // The answer was dropped: the client has gone, or another interceptor has replaced it.
  deinit { work.end(cut: true) }

  func succeeded() { work.end(cut: Task.isCancelled) }

  func failed() { work.end(cut: Task.isCancelled || cancellation.isCancelled) }
}
