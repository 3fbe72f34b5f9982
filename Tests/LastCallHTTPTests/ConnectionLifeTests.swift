import Testing

@testable import LastCallHTTP

@Suite struct ConnectionLifeTests {
  /// Sequences of Go's `TestServerConnState`, as the machine gives them.
  @Test(
    arguments: [
      ([.bytes, .busy, .quiet(reused: true), .bytes, .busy, .quiet(reused: false), .closed], [.active, .idle, .active, .closed]),
      ([.bytes, .busy, .handedOver, .bytes, .closed], [.active, .hijacked]),
      ([.closed], [.closed]),
      ([.bytes, .closed], [.active, .closed]),
      ([.bytes, .busy, .quiet(reused: true), .closed], [.active, .idle, .closed]),
      ([.bytes, .busy, .quiet(reused: true), .bytes, .closed], [.active, .idle, .active, .closed]),
      ([.bytes, .busy, .bytes, .busy, .quiet(reused: true), .closed, .closed], [.active, .idle, .closed]),
    ] as [([ConnectionLife.Event], [ConnectionState])])
  func sequence(_ events: [ConnectionLife.Event], _ expected: [ConnectionState]) {
    var life = ConnectionLife()
    #expect(life.state == .new)
    var states: [ConnectionState] = []
    for event in events {
      let changes = life.handle(event)
      states += [changes.first, changes.second].compactMap { $0 }
    }
    #expect(states == expected)
  }
}
