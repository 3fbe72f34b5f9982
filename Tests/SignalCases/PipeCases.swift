import Glibc
import NIOPosix

@testable import LastCall

/// Go's rules for SIGPIPE (os/signal, "SIGPIPE"), beside SwiftNIO, which ignores it.
enum PipeCases {
  static func run(_ how: String) async throws {
    // Makes SwiftNIO ignore SIGPIPE, as any server's first socket does.
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton).bind(host: "127.0.0.1", port: 0).get()
    try expect(Signals.isIgnored(.pipe), "SwiftNIO ignores SIGPIPE")
    if how != "plain" { Signals.followPipeRules() }
    if how == "subscribed" {
      let signals = try Signals.notify(.pipe)
      try writeTo(brokenPipe(as: 1))
      try expect(await signals.next() == .pipe, "a subscriber gets it, also for standard output")
      signals.stop()
      try writeTo(brokenPipe(as: nil))
      _ = try writeTo(1)
      waitForTheEnd()
    }
    try writeTo(brokenPipe(as: nil))
    if how == "output" || how == "plain" { try writeTo(brokenPipe(as: 1)) }
    if how == "error" { try writeTo(brokenPipe(as: 2)) }
    try await channel.close()
  }

  private static func brokenPipe(as number: Int32?) throws -> Int32 {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Failed("no pipe") }
    close(ends[0])
    guard let number else { return ends[1] }
    dup2(ends[1], number)
    close(ends[1])
    return number
  }

  @discardableResult
  private static func writeTo(_ descriptor: Int32) throws -> Bool {
    var byte: UInt8 = 0
    let count = write(descriptor, &byte, 1)
    let code = errno
    guard count < 0, code == EPIPE else { throw Failed("write to a broken pipe: \(count), errno \(code)") }
    return true
  }
}
