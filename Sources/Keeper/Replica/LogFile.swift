import CLinux
import Linux
import StopPlan

/// A log file of whole lines in the CRI's form (kubernetes/cri-api, pkg/apis/runtime/v1: LogFormat): time, stream, `F` for a whole line or
/// `P` for a part of one, text.
///
/// Rotated by size: `log` becomes `log.1`, and that `log.2`. What could not be written whole is taken back, so that no line is ever torn.
final class LogFile {
  /// How a log is kept.
  struct Policy {
    /// The size in bytes at which it is rotated; 0 for never.
    var limit: Int64 = 0
    /// How many rotated files are kept.
    var kept: Int64 = 5
    /// What happens when it cannot be written: its lines wait, and who writes them with them; or they are counted and dropped.
    var blocks = false
  }

  /// So much is written at once.
  private static let batch = 32_768

  let name: ByteView
  private let directory: Path
  private var policy: Policy
  private(set) var file: Descriptor?
  private var size: Int64 = 0
  /// The lines that are to be written, and how many they are.
  private var entries: [UInt8] = []
  private var count: Int64 = 0
  /// The streams, a bit each, whose last entry was a part of a line: better not rotated between two parts.
  private var openLines: UInt8 = 0
  /// Lines that could not be written, said in the log as soon as it can be written again.
  private(set) var dropped: Int64 = 0
  /// How many the log said last that it lacks.
  private(set) var saidDropped: Int64 = 0
  /// Why the last write failed; nil when it did not.
  private(set) var failure: SystemError?

  init(_ name: ByteView, in directory: Path, _ policy: Policy) {
    self.name = name
    self.directory = directory
    self.policy = policy
  }

  /// Whether lines wait for the disk, and no more are taken.
  var isBlocked: Bool { failure != nil && policy.blocks }

  /// Whether its lines wait when it cannot be written.
  var blocks: Bool { policy.blocks }

  /// How many lines would be lost if the log was left now.
  var unwritten: Int64 { dropped + count }

  /// Opens the file, which is kept when it is there. What a keeper that was killed had not finished is ended.
  @inline(never)
  func open() throws(SystemError) {
    let opened = try directory.appending(name).open(O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW)
    file?.close()
    take(opened)
    let last = lc_last_byte(opened.number)
    if last >= 0, last != Int(UInt8(ascii: "\n")) { _ = lc_write(opened.number, "\n", 1) }
  }

  /// Goes on with a file that is open.
  func take(_ opened: Descriptor) {
    file = opened
    size = Int64(max(0, lc_size(opened.number)))
  }

  /// Adds a line, or a part of one; it is written with others, or by `write`.
  /// - Parameter stream: its number, below 8.
  @inline(never)
  func enter(_ text: ByteView, _ name: ByteView, _ stream: Int, isWhole: Bool) {
    let length = Int64(30 + name.count + 2 + text.count + 1)
    let total = size + Int64(entries.count)
    if policy.limit > 0, total > 0, total + length > policy.limit, openLines == 0 || total > 2 * policy.limit {
      write()
      if failure == nil { rotate() }
    }
    openLines = isWhole ? openLines & ~(1 << UInt8(stream)) : openLines | 1 << UInt8(stream)
    Self.append(text, name, isWhole, to: &entries)
    count += 1
    if entries.count >= Self.batch { write() }
  }

  private static func append(_ text: ByteView, _ stream: ByteView, _ isWhole: Bool, to entries: inout [UInt8]) {
    Clock.appendTimestamp(Clock.wall, to: &entries)
    entries.append(text: stream)
    entries.append(text: isWhole ? "F " : "P ")
    entries.append(text: text)
    entries.append(text: "\n")
  }

  /// Writes what there is. When that fails the lines wait or are dropped, as the policy says.
  @inline(never)
  func write() {
    if count == 0, dropped == 0 { return }
    failure = nil
    if dropped > 0 {
      var text: [UInt8] = []
      text.append(text: "lastcall: ")
      text.append(number: dropped)
      text.append(text: " lines were dropped because this file could not be written")
      var notice: [UInt8] = []
      text.withView { Self.append($0, " stderr ", true, to: &notice) }
      if put(notice) == notice.count {
        saidDropped = dropped
        dropped = 0
      }
    }
    if failure == nil, count > 0 {
      let written = put(entries)
      if written == entries.count {
        entries = []
        count = 0
      } else {
        entries.withView { for byte in $0.prefix(written).buffer where byte == UInt8(ascii: "\n") { count -= 1 } }
        entries.drop(written)
      }
    }
    if failure != nil, !policy.blocks {
      dropped += count
      entries = []
      count = 0
    }
  }

  /// Writes lines to the end of the file. A line of which only a part could be written is taken back.
  /// - Returns: how many bytes of whole lines are written.
  private func put(_ lines: [UInt8]) -> Int {
    guard let file else {
      failure = .notFound
      return 0
    }
    var written = 0
    lines.withView { view in
      while written < view.count, failure == nil {
        let rest = view.dropping(written)
        let result = lc_write(file.number, rest.buffer.baseAddress, UInt(rest.count))
        if result > 0 {
          written += result
        } else if result != -Int(EINTR) {
          failure = SystemError(code: result == 0 ? ENOSPC : Int32(truncatingIfNeeded: 0 &- result))
        }
      }
      var whole = written
      while whole > 0, view[whole - 1] != UInt8(ascii: "\n") { whole -= 1 }
      if whole < written { _ = lc_truncate(file.number, lc_size(file.number) - (written - whole)) }
      written = whole
    }
    size += Int64(written)
    return written
  }

  /// Lets nobody wait any more: the end has come.
  func stopBlocking() {
    policy.blocks = false
    write()
  }

  // MARK: - Rotation

  /// Begins a new file. When there cannot be one the old is written on, and the next try is after as much again.
  private func rotate() {
    size = 0
    let fresh = path(".new", 0)
    guard let opened = try? fresh.open(O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW) else { return }
    var number = policy.kept
    while number > 1 {
      number -= 1
      try? path(".", number).rename(to: path(".", number + 1))
    }
    let current = directory.appending(name)
    if policy.kept > 0 { try? current.rename(to: path(".", 1)) }
    do throws(SystemError) { try fresh.rename(to: current) } catch { return opened.close() }
    file?.close()
    file = opened
  }

  private func path(_ end: ByteView, _ number: Int64) -> Path {
    var text: [UInt8] = []
    text.append(text: name)
    text.append(text: end)
    if number > 0 { text.append(number: number) }
    return text.withView { directory.appending($0) }
  }

  // MARK: - An upgrade

  func save(to state: inout StateWriter) {
    if let file { state.number(.logFile, Int64(file.number)) }
    state.number(.logCount, count)
    state.number(.logDropped, dropped)
    state.number(.logOpenLines, Int64(openLines))
    state.number(.logFailure, Int64(failure?.code ?? 0))
    state.text(.logEntries, entries)
  }

  func resume(from state: ReplicaState) {
    if let number = state.descriptor(.logFile) { take(number) }
    count = state[.logCount] ?? 0
    dropped = state[.logDropped] ?? 0
    openLines = UInt8(truncatingIfNeeded: state[.logOpenLines] ?? 0)
    if let code = state[.logFailure], code != 0 { failure = SystemError(code: Int32(truncatingIfNeeded: code)) }
    entries = state.text(.logEntries)
  }
}
