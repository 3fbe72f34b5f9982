import CLinux
import Linux
import StopPlan

/// What a keeper has open for its engine in a replica's run directory.
struct ReplicaFiles {
  let directory: Path
  var control: ControlServer
  let notify: Descriptor
  let notifyPath: Path
  var log: OutputLog
  /// The read ends of the program's output; nil after their end.
  var output: Descriptor?
  var error: Descriptor?
  let outputWriter: Descriptor
  let errorWriter: Descriptor

  init(directory: Path) throws(SystemError) {
    self.directory = directory
    control = try ControlServer(at: directory.appending("control.sock"))
    notifyPath = directory.appending("notify.sock")
    notify = try UnixSocket.datagram(at: notifyPath)
    let file = try directory.appending("log").open(O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW)
    log = OutputLog(file: file)
    let out = try Descriptor.pipe()
    let err = try Descriptor.pipe()
    output = out.read
    error = err.read
    outputWriter = out.write
    errorWriter = err.write
  }

  /// Ours of the write ends are closed once the program has its own, so that the streams end when it does.
  func started() throws(SystemError) {
    outputWriter.close()
    errorWriter.close()
    try output?.setNonBlocking(true)
    try error?.setNonBlocking(true)
  }

  /// Moves what the program wrote into the log.
  mutating func readOutput() {
    output = read(output, .output)
    error = read(error, .error)
  }

  private mutating func read(_ descriptor: Descriptor?, _ stream: OutputLog.Stream) -> Descriptor? {
    guard let descriptor else { return nil }
    // Bounded, so that a program that never pauses cannot keep us from its signals.
    for _ in 0..<16 {
      do throws(SystemError) {
        let bytes = try descriptor.read(16_384)
        if bytes.isEmpty {
          descriptor.close()
          return nil
        }
        log.append(bytes, stream)
      } catch {
        return descriptor
      }
    }
    return descriptor
  }

  /// Writes the exit record so that it is there whole or not at all.
  func record(_ line: [UInt8]) throws(SystemError) {
    let temporary = directory.appending("exit.json.new")
    let file = try temporary.open(O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW)
    defer { file.close() }
    try file.write(line)
    _ = fsync(file.number)
    try temporary.rename(to: directory.appending("exit.json"))
  }
}
