import Foundation
import Testing
import Wire

@testable import LastCallHTTP

@Suite struct AcceptorTests {
  /// The last close of a listener resets what is still in its queue, so nobody may come into it between the last look and the close.
  /// It showed in one of 100 stops or so; a stop takes the second after which the client that was kept out comes again.
  @Test(.timeLimit(.minutes(10)), arguments: 0..<100) func whoeverIsConnectedWhenTheListenerClosesIsAccepted(_ run: Int) async throws {
    let host = ownLoopbackAddress()
    let listener = try Listener.bind(host: host, port: 0)
    let port = Int(try #require(listener.port))
    let acceptor = try Acceptor(listener, handshake: .milliseconds(20))
    let lost = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          try await blocking {
            while let client = try? Socket.connect(host: host, port: port) {
              guard (try? client.read(1)) == [0] else { return 1 }
            }
            return 0
          }
        }
      }
      var accepted = 0
      for await descriptor in acceptor.accepted {
        var byte: UInt8 = 0
        write(descriptor, &byte, 1)
        close(descriptor)
        accepted += 1
        if accepted == 30 { acceptor.stop() }
      }
      return try await group.reduce(0, +)
    }
    #expect(lost == 0)
  }
}
