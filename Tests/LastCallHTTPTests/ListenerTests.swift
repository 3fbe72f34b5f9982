import Foundation
import Testing

@testable import LastCallHTTP

@Suite struct ListenerTests {
  @Test func aFreePortIsKnown() throws {
    let listener = try Listener.bind(host: "localhost", port: 0)
    defer { listener.release() }
    #expect(listener.port ?? 0 > 0)
    #expect(!listener.isShared)
  }

  @Test func aTakenPortIsSaid() throws {
    let first = try Listener.bind(host: "127.0.0.1", port: 0)
    defer { first.release() }
    let port = try #require(first.port)
    #expect { try Listener.bind(host: "127.0.0.1", port: port) } throws: { "\($0)".contains("is taken") }
  }

  @Test(arguments: ["nonsense", "", "1.2.3", "::g"]) func whatIsNoAddressIsSaid(_ host: String) {
    #expect { try Listener.bind(host: host, port: 0) } throws: { "\($0)".contains("no IPv4 or IPv6 address") }
  }

  @Test func aPathThatIsTooLongIsSaid() {
    #expect(throws: Listener.Failure.self) { try Listener.bind(path: "/tmp/" + String(repeating: "x", count: 120)) }
    #expect(throws: Listener.Failure.self) { try Listener.bind(path: "") }
  }

  @Test func aFileThatWasLeftIsReplacedAndALiveOneIsNot() throws {
    let path = "/tmp/lastcall-listener-\(UInt64.random(in: 0...UInt64.max))"
    let died = try Listener.bind(path: path)
    close(died.descriptor)
    let second = try Listener.bind(path: path)
    #expect { try Listener.bind(path: path) } throws: { "\($0)".contains("is taken") }
    second.release()
    #expect(!FileManager.default.fileExists(atPath: path))
  }

  @Test func onlyListeningSocketsAreAdopted() throws {
    var ends: [Int32] = [-1, -1]
    #expect(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    #expect(throws: Listener.Failure.self) { try Listener.adopt(ends[0], name: "a pipe") }
    let listener = try Listener.bind(host: "127.0.0.1", port: 0)
    defer { listener.release() }
    #expect(try Listener.adopt(listener.descriptor, name: "ours").isShared)
  }
}
