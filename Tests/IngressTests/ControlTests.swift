import Wire
import Foundation
import Glibc
import Testing

@testable import Ingress

@Suite struct ControlTests {
  @Test func onlyTheOwnerMayConnect() async throws {
    try await withProxy { harness in
      var information = stat()
      #expect(lstat(harness.controlPath, &information) == 0)
      #expect(information.st_mode & 0o777 == 0o600)
      #expect(information.st_mode & S_IFMT == S_IFSOCK)
    }
  }

  @Test func badInputIsAnsweredAndHarmless() async throws {
    let backend = try Backend.http { _ in response("ok") }
    try await withProxy([backend.address]) { harness in
      let cases: [(String, String)] = [
        ("nonsense", "one line"), ("", "one line"), ("[]", "one line"), ("{\"v\":1}", "one line"), ("\u{0}\u{1}\u{ff}", "one line"),
        ("{\"v\":2,\"id\":7,\"op\":\"status\"}", "version 2"), ("{\"v\":1,\"id\":7,\"op\":\"explode\"}", "no such operation"),
        ("{\"v\":1,\"id\":7,\"op\":\"drain\"}", "replica has to be"),
        ("{\"v\":1,\"id\":7,\"op\":\"drain\",\"replica\":\"x\"}", "not known"),
        ("{\"v\":1,\"id\":7,\"op\":\"add\",\"replica\":\"x\",\"address\":\"localhost:80\"}", "address has to be"),
        ("{\"v\":1,\"id\":7,\"op\":\"add\",\"replica\":\"x\"}", "address has to be"),
        ("{\"v\":1,\"id\":7,\"op\":\"add\",\"replica\":\"r0\",\"address\":\"127.0.0.1:1\"}", "remove it before"),
        ("{\"v\":1,\"id\":7,\"op\":\"add\",\"replica\":\"a\\u0000b\",\"address\":\"127.0.0.1:1\"}", "replica has to be"),
        ("{\"v\":1,\"id\":\"7\",\"op\":\"status\"}", "one line"), (String(repeating: "x", count: 100_000), "longer than"),
        (String(repeating: "[", count: 10_000), "one line"),
      ]
      try await blocking {
        let engine = try Socket.connect(path: harness.controlPath)
        for (line, error) in cases {
          try engine.send(line + "\n")
          let answer = try engine.read(through: "\n")
          #expect(answer.contains("\"error\":") && answer.contains(error), "\(line.prefix(60)) was answered \(answer)")
          if line.contains("\"id\":7") { #expect(answer.contains("\"id\":7"), "\(answer)") }
        }
        try engine.send("{\"v\":1,\"id\":9,\"op\":\"hello\"}\n")
        #expect(try engine.read(through: "\n") == "{\"id\":9,\"ok\":true,\"pid\":\(getpid()),\"v\":1}\n")
      }
      #expect(try await harness.ask(get()).text == "ok")
    }
  }

  @Test func whoAsksWithoutReadingIsCutOff() async throws {
    try await withProxy { harness in
      for number in 0..<200 { try await harness.engine.add("replica-\(number)", .inet(host: "127.0.0.1", port: 1)) }
      let engine = try Socket.connect(path: harness.controlPath)
      let line = [UInt8]("{\"v\":1,\"id\":1,\"op\":\"status\"}\n".utf8)
      try await blocking {
        // Ends by the proxy's close: sending fails.
        _ = #expect(throws: SocketError.self) { for _ in 0..<200_000 { try engine.send(line) } }
      }
      #expect(try await harness.engine.status().replicas.count == 200)
    }
  }

  @Test func stateSurvivesTheEngine() async throws {
    let backend = try Backend.http { _ in response("ok") }
    try await withProxy([backend.address]) { harness in
      _ = try await harness.engine.drain("r0")
      try await harness.engine.add("r1", backend.address)
      await harness.engine.close()
      await #expect(throws: IngressError.connectionLost) { try await harness.engine.status() }
      for await _ in harness.engine.events where false {}
      let next = try await IngressClient.connect(harness.controlPath, timeout: .seconds(120))
      let status = try await next.status()
      #expect(status.replicas.map(\.replica) == ["r0", "r1"])
      #expect(status.replicas.map(\.state) == [.draining, .ready])
      #expect(try await next.drain("r0") == IngressClient.Drain(inFlight: 0, isDrained: true))
      #expect(try await harness.ask(get()).text == "ok")
      await next.close()
    }
  }

  @Test func addingAgain() async throws {
    try await withProxy { harness in
      let address = ReplicaAddress.inet(host: "127.0.0.1", port: 9)
      try await harness.engine.add("a", address)
      try await harness.engine.add("a", address)
      _ = try await harness.engine.drain("a")
      try await harness.engine.add("a", address)
      #expect(try await harness.engine.status().replicas.map(\.state) == [.ready])
      _ = try await harness.engine.drain("a")
      await #expect(throws: IngressError.self) { try await harness.engine.add("a", .inet(host: "127.0.0.1", port: 10)) }
      try await harness.engine.remove("a")
      try await harness.engine.add("a", .inet(host: "127.0.0.1", port: 10))
      await #expect(throws: IngressError.self) { try await harness.engine.remove("b") }
    }
  }

  @Test func socketFile() async throws {
    let directory = "\(NSTemporaryDirectory())/ingress-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let path = "\(directory)/c"
    let first = try ControlSocket.make(path)
    #expect(throws: IngressError.controlPathTaken(path)) { try ControlSocket.make(path) }
    // What a dead proxy has left is replaced, and the dead one's file is not taken for the new one's.
    close(first.descriptor)
    let second = try ControlSocket.make(path)
    first.remove()
    #expect(access(path, F_OK) == 0)
    second.remove()
    #expect(access(path, F_OK) != 0)
    close(second.descriptor)
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    #expect(throws: IngressError.controlPathTaken(path)) { try ControlSocket.make(path) }
    let long = "\(directory)/" + String(repeating: "x", count: 108)
    #expect(throws: IngressError.controlPathInvalid(long)) { try ControlSocket.make(long) }
    #expect(throws: IngressError.self) { try ControlSocket.make("\(directory)/none/c") }
  }

  @Test func listenerHasToListen() async throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    for bad in [descriptor, -1] {
      await #expect(throws: IngressError.notListening(descriptor: bad)) {
        try await IngressProxy.start(IngressConfiguration(listener: bad, controlPath: "/nonexistent/c"))
      }
    }
  }
}
