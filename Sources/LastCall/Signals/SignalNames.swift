extension Signal {
  /// SIGHUP: the terminal is gone, or "read your configuration again".
  public static var hangup: Signal { .hup }
  /// SIGINT: Ctrl-C.
  public static var interrupt: Signal { .int }
  /// SIGTERM: please stop.
  public static var terminate: Signal { .term }
}
