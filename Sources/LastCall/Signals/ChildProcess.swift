import CSignals
import StopPlan

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A program started with no signal blocked, and with the dispositions this program itself was started with.
///
/// Threads of the concurrency pool block nearly every signal, and `posix_spawn` and Foundation's `Process` hand that on: such a child
/// cannot be told to stop (swift-corelibs-foundation issue 4772). swift-subprocess resets the mask as this does; use it where you need more
/// than a start and an end.
public struct ChildProcess: Sendable {
  /// Its process ID.
  public let pid: Int32

  /// Why a program could not be started, or waited for.
  public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    /// The program's name.
    public let executable: String
    /// An errno value.
    public let code: Int32
    /// The reason in a sentence.
    public var description: String { "\(executable) cannot be started or waited for: \(SystemError.text(code))" }
  }

  /// How a program ended.
  public enum Ending: Equatable, Sendable {
    /// By itself, with a code from 0 to 255.
    case exited(Int32)
    /// By a signal.
    case signalled(Signal)
  }

  private let executable: String

  /// Starts a program. It shares standard input, output and error with this one. It ignores what ``Signals/ignore(_:)`` has named and
  /// what was ignored when this program began, and nothing else.
  /// - Parameters:
  ///   - executable: a path, or a name that is looked for in PATH.
  ///   - arguments: without the program's own name.
  ///   - environment: nil for this program's own.
  /// - Throws: ``Failure`` when it cannot be executed.
  public init(_ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil) throws(Failure) {
    let ignored = lc_signals_ignored_at_start() | SignalHub.shared.ignored.platformMask
    var pid: pid_t = 0
    let code = Self.withStrings([executable] + arguments) { argv in
      guard let environment else { return lc_signals_spawn(&pid, executable, argv, environ, ignored) }
      return Self.withStrings(environment.map { "\($0.key)=\($0.value)" }) { lc_signals_spawn(&pid, executable, argv, $0, ignored) }
    }
    guard code == 0 else { throw Failure(executable: executable, code: code) }
    self.pid = pid
    self.executable = executable
  }

  /// Waits until it has ended and reaps it. Call it once; a thread of its own waits, none of the concurrency pool.
  /// - Throws: ``Failure`` when there is no such child, since something else has reaped it.
  public func ending() async throws -> Ending {
    try await withCheckedThrowingContinuation { continuation in
      let (pid, executable) = (pid, executable)
      let started = OwnThread.start(name: "child \(pid)") {
        var (code, signal): (Int32, Int32) = (0, 0)
        let error = lc_signals_wait(pid, &code, &signal)
        if error != 0 {
          continuation.resume(throwing: Failure(executable: executable, code: error))
        } else {
          continuation.resume(returning: Signal(platformNumber: signal).map { .signalled($0) } ?? .exited(code))
        }
      }
      if started != 0 { continuation.resume(throwing: Failure(executable: executable, code: started)) }
    }
  }

  /// Sends it a signal. False when there is no such process, or none that may be signalled.
  @discardableResult
  public func send(_ signal: Signal) -> Bool {
    guard let number = signal.platformNumber else { return false }
    return kill(pid, number) == 0
  }

  private static func withStrings<R>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R) -> R {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}

extension SignalSet {
  var platformMask: UInt64 {
    signals.reduce(0) { mask, signal in signal.platformNumber.map { mask | 1 << UInt64($0 - 1) } ?? mask }
  }
}
