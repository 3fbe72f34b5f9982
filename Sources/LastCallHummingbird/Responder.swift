import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// What Hummingbird's `Application` does around a responder: a context, a 500 for what is thrown, and the Date field.
func respond<Responder: HTTPResponder>(by responder: Responder, fields: HTTPFields, logger: Logger) -> HTTP1Channel.Responder
where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
  { request, writer, channel in
    let response = try await answer(request, by: responder, on: channel, fields, logger)
    do {
      try await writer.write(response: response.head, body: response.body)
    } catch let error as HTTPParserError {
      // As it is it would be answered, in the middle of this response.
      throw MalformedBody(cause: error)
    }
  }
}

/// A function of its own, so that what it needs is not kept while the response is written.
@inline(never)
private func answer<Responder: HTTPResponder>(
  _ request: Request, by responder: Responder, on channel: any Channel, _ fields: HTTPFields, _ logger: Logger
) async throws -> Response where Responder.Context: InitializableFromSource<ApplicationRequestContextSource> {
  let context = Responder.Context(source: ApplicationRequestContextSource(channel: channel, logger: logger))
  var response: Response
  do {
    response = try await responder.respond(to: request, context: context)
  } catch let error as CancellationError where Task.isCancelled {
    // The connection was cut; there is nobody to answer.
    throw error
  } catch let error as HTTPParserError {
    // Hummingbird's connection answers it by a 400.
    throw error
  } catch {
    logger.error("\(request.method) \(request.uri.path) failed: \(error)")
    response = Response(status: .internalServerError)
  }
  response.headers.append(contentsOf: fields)
  response.headers[.date] = DateField.now()
  return response
}

/// The rest of a request could not be read while its response was being written.
private struct MalformedBody: Error {
  var cause: HTTPParserError
}
