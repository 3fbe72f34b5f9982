/// What is said on one connection: bytes to send, and a judgement of what the socket says. It does no I/O.
protocol Conversation {
  associatedtype Verdict

  /// What is still to be sent.
  var unsent: ArraySlice<UInt8> { get }

  /// Takes in one event; `silence` and `overrun` always give a verdict.
  mutating func handle(_ event: Exchange.Event) -> Verdict?
}

extension ConnectionWorker {
  /// Sends and reads until there is a verdict; nil after a silence that gave none.
  func converse<Talk: Conversation>(_ connection: ClientSocket, _ talk: inout Talk) -> Talk.Verdict? {
    let bound = monotonicNow() + 4 * run.plan.timeout.nanoseconds
    while true {
      guard monotonicNow() < bound else { return talk.handle(.overrun) }
      let ready = connection.wait(writing: !talk.unsent.isEmpty, milliseconds: run.plan.timeout.pollMilliseconds)
      if ready.isNone { return talk.handle(.silence) }
      if ready.readable, let event = connection.receive(into: &buffer, limit: buffer.count) {
        if let verdict = talk.handle(event) { return verdict }
      }
      if ready.writable, !talk.unsent.isEmpty, let event = connection.send(talk.unsent) {
        if let verdict = talk.handle(event) { return verdict }
      }
    }
  }
}
