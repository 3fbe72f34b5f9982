import LastCall

func reload() async throws {
  for await _ in try Signals.notify(.hangup) {
    await readConfiguration()
  }
}

func readConfiguration() async {}

func scoped() async throws {
  try await Signals.withSignals(.usr1) { signals in
    for await signal in signals.prefix(3) { print(signal) }
  }
}

func cancelled() async throws {
  let (rows, signal) = try await Signals.withCancellation(on: .interrupt) { try await countRows() }
  print("\(rows) rows", signal.map { "until \($0)" } ?? "")
}

@Sendable func countRows() async throws -> Int { 0 }

func child() async throws {
  let child = try ChildProcess("pg_dump", ["--format=custom", "shop"])
  let ending = try await child.ending()
  print(ending)
}
