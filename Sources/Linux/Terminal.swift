import CLinux

/// The controlling terminal's foreground process group (tcsetpgrp(3)).
public enum Terminal {
  /// The foreground group of the terminal behind `descriptor`, below 0 when it is none of ours.
  public static func foregroundGroup(_ descriptor: Descriptor) -> Int32 {
    Int32(truncatingIfNeeded: lc_terminal_group(descriptor.number))
  }

  /// Makes `group` the foreground group.
  public static func setForegroundGroup(_ descriptor: Descriptor, _ group: Int32) {
    _ = lc_set_terminal_group(descriptor.number, group)
  }
}
