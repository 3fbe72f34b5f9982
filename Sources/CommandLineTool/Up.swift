import AppSpec
import ArgumentParser
import Engine
import Foundation
import Linux

/// lastcall up
struct Up: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run the apps of a file until Ctrl-C.",
    discussion: """
      Ctrl-C or TERM stop everything by each app's plan; a second Ctrl-C skips to the plan's next signal. HUP reads the file again, or stops
      everything when the terminal is gone. What an engine that was killed has left goes on as if nothing had happened.
      With -d the engine goes on in the background; when one runs there already, what has changed in the file is carried out.
      Exit codes: 0 everything has stopped (with -d: is up), 1 it could not be started (with -d also: not all is up), 2 the file is wrong.
      """)

  @OptionGroup var file: FileOption
  @Flag(name: [.customShort("d"), .customLong("detach")], help: "In the background; returns when everything is up.") var detaches = false

  func run() async throws {
    let spec = try file.read()
    if detaches { return try await Background(file: file).up() }
    let signals = try ServingSignals.stream()
    let engine = try Engine(
      file: spec, environment: file.environment, keeperBinary: try Binaries.path(of: "lastcall-keeper"), ownBinary: try Binaries.own(),
      initBinary: try Binaries.place(of: "lastcall-init"))
    let (id, reports) = await engine.reporter.watch()
    let printing = Task {
      for await report in reports {
        switch report {
        case .event(let event): Output.event(event)
        case .progress(_, let line): Output.progress(line)
        }
      }
    }
    let watching = Task { for await arrival in signals.arrivals { await engine.signalled(arrival) } }
    Output.line(
      "\(spec.apps.count == 1 ? "1 app" : "\(spec.apps.count) apps") of \(spec.path); Ctrl-C stops \(spec.apps.count == 1 ? "it" : "them")")
    do {
      try await engine.start()
      Notification.send("READY=1")
      await engine.untilOver()
    } catch {
      await engine.stop(because: "it could not be started")
      await engine.untilOver()
      await engine.reporter.unwatch(id)
      await printing.value
      throw error
    }
    watching.cancel()
    await engine.reporter.unwatch(id)
    await printing.value
    if await !engine.left.isEmpty { throw CommandFailure(code: 1, message: "") }
  }
}

/// Where our programs are.
enum Binaries {
  static func own() throws -> String {
    guard let path = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
      throw CommandFailure(code: 1, message: "/proc is not mounted; lastcall needs it to see processes")
    }
    return path
  }

  /// A binary of ours, which has to be there.
  static func path(of name: String) throws -> String { try check(try place(of: name), name) }

  /// Where a binary of ours is to be: beside lastcall-init when `LASTCALL_INIT` says where that is, else beside lastcall.
  static func place(of name: String) throws -> String {
    let named = ProcessInfo.processInfo.environment["LASTCALL_INIT"].map { URL(fileURLWithPath: $0).path }
    if let named, name == "lastcall-init" { return named }
    return try URL(fileURLWithPath: named ?? own()).deletingLastPathComponent().appendingPathComponent(name).path
  }

  private static func check(_ path: String, _ name: String) throws -> String {
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw CommandFailure(code: 1, message: "there is no \(name) at \(path); build it with scripts/build, or set LASTCALL_INIT")
    }
    return path
  }
}
