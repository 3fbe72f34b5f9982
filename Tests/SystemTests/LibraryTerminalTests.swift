import Testing

/// Go's os/signal case that needs a terminal; the others are in `Tests/LastCallTests`.
@Suite struct LibraryTerminalTests {
  @Test("TestTerminalSignal") func terminalSignal() async throws {
    _ = try await Typist.type(
      [
        ("prompt\\$ $", .keys("\(Product.path("SignalCases")) TestTerminalSignal; echo code=$?\n")),
        ("ready", "\u{1a}"),
        ("Stopped[\\s\\S]*prompt\\$ $", "echo she''ll\n"),
        ("shell\\s+prompt\\$ $", "fg; echo code=$?\n"),
        ("TestTerminalSignal", "hello\n"),
        ("got hello\\s+code=0\\s+prompt\\$ $", "exit\n"),
      ], to: ["/bin/bash", "--norc", "--noprofile", "-i"])
  }
}
