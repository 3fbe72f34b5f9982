import CLinux
import Linux
import StopPlan

/// What is said before a stop: that it is coming, and by when it has to be over. It travels as the value of a signal (sigqueue(3)), which
/// needs no file, no socket and no shell in a container.
struct Announcement: Equatable {
  /// How long is left, to the millisecond and at most 49 days; zero when the sender leaves it to the receiver.
  var left: TimeSpan
  /// Whether it is the receiver's answer: how long the sender is to wait.
  var isAnswer = false

  /// The signal that says nothing else: one that does no harm to a process that is no keeper.
  static var signal: Signal { .urg }

  private static var mark: Int { 0x4c43_0000_0000_0000 }
  private static var answerMark: Int { 1 << 32 }
  private static var span: Int { 0xffff_ffff }

  init(left: TimeSpan, isAnswer: Bool = false) {
    self.left = left
    self.isAnswer = isAnswer
  }

  /// What a signal's value says, or nil when it is no announcement.
  init?(value: Int) {
    guard value & ~(Self.answerMark | Self.span) == Self.mark else { return nil }
    left = .milliseconds(Int64(value & Self.span))
    isAnswer = value & Self.answerMark != 0
  }

  var value: Int { Self.mark | (isAnswer ? Self.answerMark : 0) | min(max(0, Int(left.nanoseconds / 1_000_000)), Self.span) }

  /// Tells a process.
  @inline(never)
  func send(_ signal: Signal = Self.signal, to pid: Int32) throws(SystemError) {
    try DirectSignal.send(signal, to: pid, value: value)
  }
}

extension Keeper {
  /// A stop is announced: gives notice, and answers how long the propagation pause takes.
  func take(_ announcement: Announcement, from arrival: Signals.Arrival) {
    if announcement.isAnswer { return }
    let now = Clock.now
    // One that is under way has its deadline.
    if machine.deadline == nil {
      let wanted = now + (announcement.left == .zero ? totalGrace : announcement.left)
      if announcedDeadline <= now {
        // The first, or the one before was of a stop that never came.
        announcedDeadline = wanted
        // The platform kills then, however long a pause was wanted.
        pauseEnd = min(now + (options.pause ?? .zero), wanted - .seconds(1))
        hasNoticed = false
      }
      announcedDeadline = min(announcedDeadline, wanted)
      emit(.announced(announcedDeadline))
      giveNotice()
    }
    try? Announcement(left: pauseEnd - now, isAnswer: true).send(to: arrival.sender)
  }

  /// A stop that was announced has the rest of its time.
  func useAnnouncement() {
    let now = Clock.now
    guard announcedDeadline > now, machine.deadline == nil else { return }
    totalGrace = announcedDeadline - now
    machine.announce(
      grace: Succession.mainGrace(totalGrace, sidecars: options.sidecarCount),
      pause: options.pause == nil ? nil : max(.zero, pauseEnd - now))
  }

  /// Tells who wants to know that the stop is coming, once.
  @inline(never)
  func giveNotice() {
    if hasNoticed { return }
    hasNoticed = true
    if let notice = options.notice { forward(notice, value: nil, scope: .main) }
    if options.noticeFile.isEmpty { return }
    do throws(SystemError) {
      try Path(options.noticeFile).open(O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o644).close()
    } catch {
      Diagnostics.say("the notice cannot be written: ", options.noticeFile, error)
    }
  }
}
