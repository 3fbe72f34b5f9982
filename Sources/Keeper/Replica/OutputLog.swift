import CLinux
import Linux
import StopPlan

/// One of a program's streams: a pipe, and what of it is not yet a line.
struct OutputStream {
  /// The CRI's own bound: longer lines are written in parts.
  static let lineLimit = 16_384

  private let name: ByteView
  private let number: Int
  /// The end that is read; nil after the stream's end.
  private(set) var reader: Descriptor?
  let writer: Descriptor
  /// What had no newline yet.
  private(set) var partial: [UInt8] = []
  /// What was read and could not be taken by the log, which waits for the disk.
  private(set) var held: [UInt8] = []

  /// - Parameter number: its own among the streams of a log, below 8.
  init(_ name: ByteView, _ number: Int) throws(SystemError) {
    self.name = name
    self.number = number
    let (read, write) = try Descriptor.pipe()
    reader = read
    writer = write
    // Its reader's flag is the reader's alone: a pipe's ends are two open files.
    try read.setNonBlocking(true)
  }

  /// Goes on with a pipe whose write end the program has.
  init(_ name: ByteView, _ number: Int, reader: Descriptor?, partial: [UInt8], held: [UInt8]) {
    self.name = name
    self.number = number
    self.reader = reader
    writer = Descriptor(number: -1)
    self.partial = partial
    self.held = held
  }

  /// Moves what is there into the log, at most `rounds` times 16 KiB.
  @inline(never)
  mutating func read(rounds: Int, into log: LogFile) {
    if !held.isEmpty {
      let bytes = held
      held = []
      bytes.withView { append($0, to: log) }
    }
    var bytes: [UInt8] = []
    for _ in 0..<rounds {
      guard !log.isBlocked, let reader, (try? reader.read(into: &bytes, count: 16_384)) != nil else { return }
      if bytes.isEmpty {
        reader.close()
        self.reader = nil
        return
      }
      bytes.withView { append($0, to: log) }
      log.write()
    }
  }

  private mutating func append(_ bytes: ByteView, to log: LogFile) {
    var rest = bytes
    while !rest.isEmpty {
      if log.isBlocked {
        held.append(text: rest)
        return
      }
      let room = rest.prefix(Self.lineLimit - partial.count)
      let length = room.offset(of: UInt8(ascii: "\n"))
      let isWhole = length < room.count
      if partial.isEmpty, isWhole {
        log.enter(room.prefix(length), name, number, isWhole: true)
      } else {
        partial.append(text: room.prefix(length))
        if isWhole || partial.count == Self.lineLimit { end(log, isWhole: isWhole) }
      }
      rest = rest.dropping(isWhole ? length + 1 : length)
    }
  }

  /// Writes what had no newline yet, at the stream's end.
  mutating func finish(_ log: LogFile) {
    if !partial.isEmpty { end(log, isWhole: false) }
  }

  private mutating func end(_ log: LogFile, isWhole: Bool) {
    partial.withView { log.enter($0, name, number, isWhole: isWhole) }
    partial = []
  }
}

/// What a program, or the hooks of one, writes to its two streams, and the log that it goes to.
final class OutputLog {
  let log: LogFile
  private(set) var output: OutputStream
  private(set) var error: OutputStream
  /// Whether it was known to fail.
  private var wasFailing = false

  init(_ log: LogFile) throws(SystemError) {
    self.log = log
    output = try OutputStream(" stdout ", 0)
    error = try OutputStream(" stderr ", 1)
  }

  init(_ log: LogFile, output: OutputStream, error: OutputStream) {
    self.log = log
    self.output = output
    self.error = error
    wasFailing = log.failure != nil
  }

  /// Our own write ends, which a program that is started gets copies of, are closed: a stream ends when its writers do.
  func closeWriters() {
    output.writer.close()
    error.writer.close()
  }

  /// Moves what was written into the log, at most `rounds` times 16 KiB of each stream.
  func read(rounds: Int) {
    output.read(rounds: rounds, into: log)
    error.read(rounds: rounds, into: log)
  }

  /// Tries again what could not be written, then takes what has piled up.
  func retry() {
    log.write()
    if log.failure == nil { read(rounds: 4) }
  }

  /// Opens the file again under its own name, for who has moved it away.
  func reopen() throws(SystemError) {
    log.write()
    try log.open()
  }

  /// Writes all there is, also what had no newline yet; what cannot be written is counted.
  func finish() {
    log.stopBlocking()
    read(rounds: 64)
    output.finish(log)
    error.finish(log)
    log.write()
  }

  /// What is to be told since it was asked last: that the log cannot be written, or can be again.
  func news() -> KeeperEvent? {
    let isFailing = log.failure != nil
    if isFailing == wasFailing { return nil }
    wasFailing = isFailing
    return .log(log)
  }

  // MARK: - An upgrade

  func save(to state: inout StateWriter) {
    log.save(to: &state)
    if let reader = output.reader { state.number(.output, Int64(reader.number)) }
    if let reader = error.reader { state.number(.error, Int64(reader.number)) }
    state.text(.outputPartial, output.partial)
    state.text(.outputHeld, output.held)
    state.text(.errorPartial, error.partial)
    state.text(.errorHeld, error.held)
  }
}
