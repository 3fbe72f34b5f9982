import ArgumentParser
import Engine
import Foundation
import Linux

@main
enum Main {
  static func main() {
    InheritedSignals.keep()
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first != "run" { openStandardDescriptors() }
    // Before any other thread is there: all of them have to block what the engine reads.
    ServingSignals.take(for: arguments.first)
    TaskThreads.takeOver()
    Task.detached { exit(await run(arguments)) }
    while true { pause() }
  }

  /// Where one was closed, the next file that is opened would take its place, and our messages would go into it.
  private static func openStandardDescriptors() {
    for number in 0...2 as ClosedRange<Int32> where fcntl(number, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
  }

  private static func run(_ arguments: [String]) async -> Int32 {
    do {
      var command = try Lastcall.parseAsRoot(arguments)
      if var command = command as? any AsyncParsableCommand { try await command.run() } else { try command.run() }
      return 0
    } catch {
      return report(error, wrongOption: arguments.first == "run" ? 125 : 2)
    }
  }

  /// - Parameter wrongOption: the exit code for options that are wrong; `run` has that of timeout(1).
  private static func report(_ error: any Error, wrongOption: Int32) -> Int32 {
    if let failure = error as? CommandFailure {
      if !failure.message.isEmpty { Output.error(failure.message) }
      return failure.code
    }
    if let failure = error as? EngineError {
      Output.error(failure.description)
      return 1
    }
    let code = Lastcall.exitCode(for: error).rawValue
    let text = Lastcall.fullMessage(for: error)
    guard code != 0 else {
      Output.line(text)
      return 0
    }
    Output.write(text + "\n", to: .standardError)
    return code == ExitCode.validationFailure.rawValue ? wrongOption : code
  }
}

/// All that lastcall can be asked.
struct Lastcall: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lastcall",
    abstract: "Stops, replaces and upgrades services without losing a request, a message or a child process.",
    discussion: """
      Exit codes: 0 done, 1 it failed, 2 wrong options or a wrong file, 3 the engine does not run.
      `lastcall run` has those of timeout(1); see lastcall run --help.
      """,
    version: "0.1.0",
    subcommands: [
      Up.self, Down.self, Ps.self, Describe.self, Logs.self, Events.self, Deploy.self, Diff.self, Restart.self, RolloutCommand.self,
      Scale.self,
      Stop.self, Start.self, Kill.self, Remove.self, Reload.self, Install.self, Run.self, Validate.self, SignalTable.self,
      IngressCommand.self,
    ])
}

/// A failure with its exit code; the message says what happened, to what, and what to do.
struct CommandFailure: Error {
  var code: Int32
  var message: String
}

/// The signals of a process that serves, taken at its very start.
enum ServingSignals {
  nonisolated(unsafe) private(set) static var taken: Result<Signals, SystemError>?

  static func take(for command: String?) {
    guard command == "up" || command == "ingress" else { return }
    do throws(SystemError) { taken = .success(try Signals()) } catch { taken = .failure(error) }
  }

  /// The stream of what was taken.
  static func stream() throws -> SignalStream {
    guard let taken else { throw CommandFailure(code: 1, message: "signals were not taken at the start") }
    return SignalStream(try taken.get())
  }
}

/// The signal mask and SIGPIPE's disposition that we were started with. The threads that run tasks block most signals, and a program
/// that one of them becomes (execve) would keep that.
enum InheritedSignals {
  nonisolated(unsafe) private static var mask = sigset_t()
  nonisolated(unsafe) private static var pipe: sighandler_t?

  /// Notes them. A reader of our output that has gone away must not end us, so SIGPIPE is ignored from here on.
  static func keep() {
    pthread_sigmask(SIG_SETMASK, nil, &mask)
    pipe = signal(SIGPIPE, SIG_IGN)
  }

  static func restore() {
    signal(SIGPIPE, pipe)
    restoreMask()
  }

  /// On our own thread; a signal to the process is delivered there then.
  static func restoreMask() { pthread_sigmask(SIG_SETMASK, &mask, nil) }
}
