import CLinux
import Foundation
import Linux
import StopPlan
import Testing

/// One replica kept by lastcall-keeper, as an engine sees it.
final class InitReplica: Sendable {
  let run: InitRun
  let directory: String

  init(
    _ binary: InitBinary, _ options: [String], _ script: String, environment: [String] = [],
    prepare: (inout Program) throws -> Void = { _ in }
  ) throws {
    let scratch = try ScratchDirectory()
    directory = scratch.path + "/r"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    run = try InitRun.script(
      binary.keeper, [directory] + options, script, in: scratch, environment: environment, prepare: prepare)
  }

  convenience init(
    _ binary: InitBinary, _ script: String, environment: [String] = [], prepare: (inout Program) throws -> Void = { _ in }
  ) throws {
    try self.init(binary, [], script, environment: environment, prepare: prepare)
  }

  func text(_ file: String) -> String { (try? String(contentsOfFile: directory + "/" + file, encoding: .utf8)) ?? "" }

  /// The program's output without the log's own columns.
  func logged(_ file: String = "log") -> [String] {
    text(file).split(separator: "\n").compactMap { line in
      let columns = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
      return columns.count == 4 ? String(columns[3]) : nil
    }
  }

  /// A file of JSON.
  func record(_ name: String) throws -> [String: any Sendable] {
    let object = try JSONSerialization.jsonObject(with: Data(text(name).utf8)) as? [String: any Sendable]
    return object ?? [:]
  }

  func line(_ text: String) async throws { try await eventually("\"\(text)\" in the log") { logged().contains(text) } }

  /// A client of the control socket that has been greeted.
  func client() async throws -> ControlConnection {
    let client = try await connect()
    client.greeting = try await client.next()
    return client
  }

  /// A connection to the control socket.
  func connect() async throws -> ControlConnection {
    var connection: ControlConnection?
    try await eventually("the control socket") {
      connection = try? ControlConnection(directory + "/control.sock")
      return connection != nil
    }
    guard let connection else { throw Failure("no control socket") }
    return connection
  }
}

/// A client of the control socket.
final class ControlConnection: @unchecked Sendable {
  private let socket: Descriptor
  private var buffer: [UInt8] = []
  private(set) var isOver = false
  fileprivate(set) var greeting: [String: any Sendable] = [:]

  init(_ path: String) throws { socket = try UnixSocket.connect(to: Path(string: path)) }
  deinit { socket.close() }

  func close() { socket.close() }

  func send(_ text: String) async throws {
    var rest = Array(text.utf8)
    try await eventually("the keeper takes \(rest.count) bytes") {
      while !rest.isEmpty {
        do throws(SystemError) { rest.removeFirst(try socket.send(rest)) } catch {
          if error == .wouldBlock { return false }
          throw error
        }
      }
      return true
    }
  }

  /// The next line, as JSON.
  func next() async throws -> [String: any Sendable] {
    try await eventually("a line from the keeper") {
      receive()
      return buffer.contains(UInt8(ascii: "\n")) || isOver
    }
    return try take()
  }

  /// The line that has come.
  private func take() throws -> [String: any Sendable] {
    guard let end = buffer.firstIndex(of: UInt8(ascii: "\n")) else { throw Failure("the keeper closed the connection") }
    let line = Data(buffer[..<end])
    buffer.removeFirst(end + 1)
    guard let object = try JSONSerialization.jsonObject(with: line) as? [String: any Sendable] else {
      throw Failure("no JSON object: \(String(decoding: line, as: UTF8.self))")
    }
    return object
  }

  /// The next event of that name; what comes before it is passed over.
  func event(_ name: String) async throws -> [String: any Sendable] {
    while true {
      let object = try await next()
      if object["event"] as? String == name { return object }
    }
  }

  /// What a command is answered with; events before it are passed over.
  func answer(_ command: String) async throws -> [String: any Sendable] {
    try await send(command + "\n")
    while true {
      let object = try await next()
      if object["event"] == nil { return object }
    }
  }

  /// The listeners that the keeper hands over, and what they are called.
  func listeners() async throws -> (listeners: Int, named: [(name: String, descriptor: Descriptor)]) {
    try await send("listeners\n")
    return try await handedOver()
  }

  /// The descriptors that come next, with their line.
  func handedOver() async throws -> (listeners: Int, named: [(name: String, descriptor: Descriptor)]) {
    var descriptors: [Descriptor] = []
    try await eventually("descriptors from the keeper") {
      do throws(SystemError) {
        let message = try UnixSocket.receive(socket, limit: 65_536)
        descriptors += message.descriptors
        buffer += message.bytes
      } catch { if error != .wouldBlock { throw error } }
      return buffer.contains(UInt8(ascii: "\n"))
    }
    var line = try take()
    // What is read ahead without room for descriptors would lose them.
    while line["reply"] as? String != "listeners", buffer.contains(UInt8(ascii: "\n")) { line = try take() }
    let names = (line["names"] as? String ?? "").components(separatedBy: ":").prefix(line["count"] as? Int ?? 0)
    guard names.count == descriptors.count else { throw Failure("\(names.count) names for \(descriptors.count) descriptors") }
    return (line["listeners"] as? Int ?? -1, zip(names, descriptors).map { ($0, $1) })
  }

  func receive() {
    var part: [UInt8] = []
    while !isOver {
      do throws(SystemError) {
        try socket.receive(into: &part, count: 65_536)
        if part.isEmpty { isOver = true }
        buffer += part
      } catch {
        if error != .wouldBlock { isOver = true }
        return
      }
    }
  }
}
