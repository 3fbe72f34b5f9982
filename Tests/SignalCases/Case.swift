import Glibc

@testable import LastCall

/// What one case says when it fails; the program then ends with code 1.
struct Failed: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

func expect(_ condition: Bool, _ what: String, line: UInt = #line) throws {
  guard condition else { throw Failed("line \(line): \(what)") }
}

/// To the process, as another program would send it.
func sendSelf(_ signal: Signal) { kill(getpid(), signal.number) }

extension SignalSequence {
  func next() async -> Signal? { await makeAsyncIterator().next() }

  /// What is there to be read now.
  var unread: Signal? { subscription.buffer.take()?.signal }
}

/// Waits until a marker signal has made the way that others make: what was sent before is delivered then, or nowhere.
func settle(_ marker: Signal = .usr2) async throws {
  // In a task of its own, since a cancelled one waits for nothing.
  try await Task {
    let markers = try Signals.notify(marker)
    defer { markers.stop() }
    sendSelf(marker)
    try expect(await markers.next() == marker, "the marker came")
  }.value
}

/// For a signal that has to end this process: whoever returns from here has not been ended.
func waitForTheEnd() -> Never {
  while true { pause() }
}
