import Linux
import StopPlan

/// What a keeper says on stderr: one line at a time, so that lines of several processes do not mix.
struct Diagnostics {
  static func say(_ build: (inout [UInt8]) -> Void) {
    var line: [UInt8] = []
    line.append(text: "lastcall-init: ")
    build(&line)
    line.append(UInt8(ascii: "\n"))
    try? Descriptor.error.write(line)
  }

  static func say(_ mistake: OptionMistake) {
    say { line in
      if mistake.option.utf8CodeUnitCount > 0 {
        line.append(text: mistake.option)
        line.append(text: " ")
      }
      if !mistake.value.isEmpty {
        line.append(UInt8(ascii: "\""))
        line.append(contentsOf: mistake.value)
        line.append(text: "\": ")
      }
      if let position = mistake.position {
        line.append(text: "at character ")
        line.append(number: Int64(position + 1))
        line.append(text: ": ")
      }
      line.append(text: mistake.expectation)
    }
  }
}
