import CLinux
import Linux
import StopPlan

/// What a keeper has open for its engine in a replica's run directory.
final class Replica {
  /// The most clients that are connected at once.
  static let clientLimit = 16

  let directory: Path
  /// The control socket.
  let listener: Descriptor
  /// Where the program says how it is (sd_notify(3)).
  let notify: Descriptor
  /// Each client has a place of its own for as long as it is connected.
  private(set) var clients = InlineArray<16, ControlClient?>(repeating: nil)
  /// The descriptors that the program keeps open.
  let kept = UnsafeMutablePointer<Int32>.allocate(capacity: 2)
  let output: OutputLog
  /// What hooks write, once one was started.
  var hooks: OutputLog?
  private let policy: LogFile.Policy

  private init(_ directory: Path, listener: Descriptor, notify: Descriptor, _ output: OutputLog, _ policy: LogFile.Policy) {
    self.directory = directory
    self.listener = listener
    self.notify = notify
    self.output = output
    self.policy = policy
    keep(output)
  }

  deinit { kept.deallocate() }

  /// Opens what a keeper needs in a run directory. Apart from `init`: an object that is half made would have to be taken apart.
  @inline(never)
  static func open(_ directory: ByteView, _ options: ReplicaOptions) throws(SystemError) -> Replica {
    let path = Path(directory)
    let listener = try UnixSocket.listen(at: path.appending("control.sock"))
    let notify = try UnixSocket.datagram(at: path.appending("notify.sock"))
    try UnixSocket.passCredentials(notify)
    if let user = options.notifyUser {
      let result = path.appending("notify.sock").withCString { lc_change_owner($0, user) }
      if result < 0 { throw SystemError(code: Int32(truncatingIfNeeded: 0 &- result)) }
    }
    let log = LogFile("log", in: path, options.log)
    try log.open()
    return Replica(path, listener: listener, notify: notify, try OutputLog(log), options.log)
  }

  /// Goes on with what the keeper that became us had open.
  static func resume(_ directory: ByteView, _ options: ReplicaOptions, from state: ReplicaState) -> Replica? {
    guard let listener = state.descriptor(.listener), let notify = state.descriptor(.notify) else { return nil }
    let path = Path(directory)
    let log = LogFile("log", in: path, options.log)
    log.resume(from: state)
    let output = OutputStream(
      " stdout ", 0, reader: state.descriptor(.output), partial: state.text(.outputPartial), held: state.text(.outputHeld))
    let error = OutputStream(
      " stderr ", 1, reader: state.descriptor(.error), partial: state.text(.errorPartial), held: state.text(.errorHeld))
    return Replica(path, listener: listener, notify: notify, OutputLog(log, output: output, error: error), options.log)
  }

  /// Opens the hooks' log and streams.
  func openHooks() {
    if hooks != nil { return }
    let log = LogFile("hooks.log", in: directory, policy)
    // Without a log its streams are read nevertheless, and their lines are counted as lost.
    try? log.open()
    hooks = try? OutputLog(log)
  }

  /// Has who is started next keep the read ends of its streams open: a keeper's death must not end it by SIGPIPE.
  func keep(_ log: OutputLog) {
    kept[0] = log.output.reader?.number ?? -1
    kept[1] = log.error.reader?.number ?? -1
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

  // MARK: - Records

  /// Writes a record, `NAME.json`, so that it is there whole or not at all.
  /// - Parameter isLasting: whether it outlives the machine's crash too. Waiting for the disk takes longer than all else at a start.
  func record(_ name: ByteView, _ line: [UInt8], isLasting: Bool) throws(SystemError) {
    var file: [UInt8] = []
    file.append(text: name)
    file.append(text: ".json")
    let final = file.withView { directory.appending($0) }
    file.append(text: ".new")
    let temporary = file.withView { directory.appending($0) }
    let output = try temporary.open(O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
    defer { output.close() }
    try output.write(line)
    if isLasting { _ = lc_sync(output.number) }
    try temporary.rename(to: final)
  }
}
