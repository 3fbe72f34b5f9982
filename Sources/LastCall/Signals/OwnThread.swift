import CSignals

/// A thread outside of the concurrency pool, for what must go on when the pool is blocked, and for calls that block.
enum OwnThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// - Parameter name: at most 15 bytes are shown (pthread_setname_np(3)).
  /// - Returns: 0, or an errno value; the body is not run then.
  static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Int32 {
    let box = Unmanaged.passRetained(Body(body))
    let code = lc_signals_thread(
      String(decoding: name.utf8.prefix(15), as: UTF8.self),
      { context in
        guard let context else { return }
        Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
      }, box.toOpaque())
    if code != 0 { box.release() }
    return code
  }
}
