/// Something that happens once, and who is told of it: at once when it has happened. No task waits for it meanwhile.
struct Occasion {
  private(set) var hasCome = false
  private var calls: [@Sendable () -> Void] = []

  mutating func then(_ call: @escaping @Sendable () -> Void) {
    if hasCome { call() } else { calls.append(call) }
  }

  mutating func come() {
    hasCome = true
    let calls = self.calls
    self.calls = []
    for call in calls { call() }
  }
}
