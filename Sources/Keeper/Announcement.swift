import CLinux
import Linux
import StopPlan

/// What is said before a stop: that it is coming, and by when it has to be over. It travels as the value of a real-time signal
/// (sigqueue(3)), which needs no file, no socket and no shell in a container.
struct Announcement: Equatable {
  /// How long is left; zero when the sender leaves it to the receiver.
  var left: TimeSpan
  /// Whether it is the receiver's answer: how long the sender is to wait.
  var isAnswer = false

  /// The signal that carries it: the last of the real-time ones.
  static var signal: Int32 { 64 }

  private static var mark: Int { 0x4c43_0000_0000_0000 }
  private static var answerMark: Int { 1 << 32 }

  init(left: TimeSpan, isAnswer: Bool = false) {
    self.left = left
    self.isAnswer = isAnswer
  }

  /// What a signal's value says, or nil when it is no announcement.
  init?(value: Int) {
    guard value & ~0x1_ffff_ffff == Self.mark else { return nil }
    left = .milliseconds(Int64(value & 0xffff_ffff))
    isAnswer = value & Self.answerMark != 0
  }

  /// The value that says it, to the millisecond.
  private var value: Int {
    Self.mark | (isAnswer ? Self.answerMark : 0) | Int(min(max(0, left.nanoseconds / 1_000_000), 0xffff_ffff))
  }

  /// Tells a process.
  @inline(never) @discardableResult
  func send(to pid: Int32) -> Int { lc_sigqueue(pid, Self.signal, value) }
}
