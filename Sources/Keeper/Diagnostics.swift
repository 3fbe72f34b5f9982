import Linux
import StopPlan

/// What a keeper says on stderr: one line at a time, so that lines of several processes do not mix.
enum Diagnostics {
  /// Says what happened to what, and why.
  @inline(never)
  static func say(_ what: ByteView, _ subject: ByteView = "", _ reason: SystemError? = nil, level: ByteView = "FATAL") {
    var line: [UInt8] = []
    Dialect.current.appendPrefix(level, to: &line)
    line.append(text: what)
    line.append(text: subject)
    if let reason {
      line.append(text: ": ")
      reason.append(to: &line)
    }
    end(&line)
  }

  /// Says what is wrong with an option's value.
  static func say(_ mistake: OptionParser.Mistake, in option: ByteView, _ value: ByteView) {
    var line: [UInt8] = []
    Dialect.current.appendPrefix("FATAL", to: &line)
    line.append(text: option)
    if !value.isEmpty {
      line.append(text: option.isEmpty ? "\"" : " \"")
      line.append(text: value)
      line.append(text: "\"")
    }
    if !option.isEmpty || !value.isEmpty { line.append(text: ": ") }
    if mistake.position >= 0 {
      line.append(text: "at character ")
      line.append(number: Int64(mistake.position + 1))
      line.append(text: ": ")
    }
    line.append(text: mistake.expectation)
    end(&line)
  }

  private static func end(_ line: inout [UInt8]) {
    line.append(text: "\n")
    try? Descriptor.error.write(line)
  }
}
