import Testing

@testable import Engine

@Suite struct ReplicaPortsTests {
  /// Nobody listens on them yet: that each is free says nothing.
  @Test func noPortIsGivenTwice() async throws {
    let ports = ReplicaPorts()
    let given = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<500 { group.addTask { try ports.take() } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(Set(given).count == 500)
  }

  @Test func whatIsKeptIsNotGiven() throws {
    let first = ReplicaPorts()
    let kept = try (0..<500).map { _ in try first.take() }
    let second = ReplicaPorts()
    for port in kept { second.keep(port) }
    let given = try (0..<500).map { _ in try second.take() }
    #expect(Set(kept).isDisjoint(with: given))
  }
}
