import CLinux
import Linux
import StopPlan

/// What a keeper has open for its engine in a replica's run directory.
final class Replica {
  let directory: Path
  /// The control socket.
  let listener: Descriptor
  /// Where the program says how it is (sd_notify(3)).
  let notify: Descriptor
  /// Each client has a place of its own for as long as it is connected.
  private(set) var clients = InlineArray<16, ControlClient?>(repeating: nil)
  /// The descriptors that the program keeps open.
  let kept = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
  private var log: OutputLog
  private(set) var output: OutputLog.Stream
  private(set) var error: OutputLog.Stream

  private init(
    _ directory: Path, listener: Descriptor, notify: Descriptor, log: Descriptor, output: OutputLog.Stream, error: OutputLog.Stream
  ) {
    self.directory = directory
    self.listener = listener
    self.notify = notify
    self.log = OutputLog(file: log)
    self.output = output
    self.error = error
    kept[0] = output.reader?.number ?? -1
    kept[1] = error.reader?.number ?? -1
  }

  deinit { kept.deallocate() }

  /// Opens what a keeper needs in a run directory. Apart from `init`: an object that is half made would have to be taken apart.
  @inline(never)
  static func open(_ directory: ByteView) throws(SystemError) -> Replica {
    let path = Path(directory)
    return Replica(
      path, listener: try UnixSocket.listen(at: path.appending("control.sock")),
      notify: try UnixSocket.datagram(at: path.appending("notify.sock")),
      log: try path.appending("log").open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW),
      output: try OutputLog.Stream(" stdout "), error: try OutputLog.Stream(" stderr "))
  }

  /// The program has its own ends of its streams.
  func started() {
    output.started()
    error.started()
  }

  // MARK: - Clients

  /// The next client that waits; more than the limit are refused.
  func acceptClient() -> ControlClient? {
    while let descriptor = UnixSocket.accept(listener) {
      for place in clients.indices where clients[place] == nil {
        let client = ControlClient(descriptor)
        clients[place] = client
        return client
      }
      descriptor.close()
    }
    return nil
  }

  /// Sends an event to all who follow.
  func broadcast(_ line: [UInt8]) {
    for place in clients.indices {
      if let client = clients[place], client.follows { client.send(line) }
    }
  }

  /// Closes the connections that are over.
  func dropGone() {
    for place in clients.indices {
      guard let client = clients[place], client.isGone else { continue }
      client.descriptor.close()
      clients[place] = nil
    }
  }

  // MARK: - Output

  /// Moves what the program wrote into the log, at most `rounds` times 16 KiB of each stream.
  func readOutput(rounds: Int) {
    Self.read(&output, rounds, &log)
    Self.read(&error, rounds, &log)
  }

  /// Writes what had no newline yet.
  func finishOutput() {
    log.finish(&output)
    log.finish(&error)
  }

  @inline(never)
  private static func read(_ stream: inout OutputLog.Stream, _ rounds: Int, _ log: inout OutputLog) {
    var bytes: [UInt8] = []
    for _ in 0..<rounds {
      guard let reader = stream.reader, (try? reader.read(into: &bytes, count: 16_384)) != nil else { return }
      if bytes.isEmpty {
        reader.close()
        stream.reader = nil
        return
      }
      bytes.withView { log.append($0, &stream) }
    }
  }

  // MARK: - The exit record

  /// Writes the exit record so that it is there whole or not at all.
  func record(_ line: [UInt8]) throws(SystemError) {
    let temporary = directory.appending("exit.json.new")
    let file = try temporary.open(O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
    defer { file.close() }
    try file.write(line)
    _ = lc_sync(file.number)
    try temporary.rename(to: directory.appending("exit.json"))
  }
}
