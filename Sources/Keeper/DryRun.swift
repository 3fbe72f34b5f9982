import CLinux
import Linux
import StopPlan

/// `--dry-run`: what would be done, and what is odd about the surroundings.
enum DryRun {
  static func print(_ plan: StopPlan, _ options: KeeperOptions, environment: CStrings) {
    var text: [UInt8] = []
    plan.append(to: &text)
    text.append(text: ", grace ")
    plan.grace.append(to: &text)
    text.withView {
      say("plan: ", $0, options.grace == nil && options.planText.isEmpty ? " (its own default; docker stop kills after 10)" : "")
    }
    // In the order of their stop, which is the main program's first.
    var sidecar = options.sidecarCount
    while sidecar > 0 {
      say("then ", options.sidecar(sidecar).name, ", in what is left of the grace")
      sidecar -= 1
    }
    if lc_pid() != 1 { say("not PID 1: will be a child subreaper") }
    let ignored = SignalDispositions(pid: lc_pid())?.ignored ?? []
    for number in 1...64 as ClosedRange<Int32> {
      guard let signal = Signal(number: number), signal != .pipe, ignored.contains(signal) else { continue }
      var name: [UInt8] = []
      signal.appendName(to: &name)
      name.withView { say("odd: ", $0, " is inherited as ignored, by the command too") }
    }
    var next = environment
    while let entry = next.pointee {
      next += 1
      let variable = ByteView(entry)
      var rest = variable
      if rest.take(before: UInt8(ascii: "_")).position(among: "DUMB TINI CATATONIT") != nil {
        say("odd: ", variable, " is for another init")
      }
    }
  }

  @inline(never)
  private static func say(_ what: ByteView, _ subject: ByteView = "", _ end: ByteView = "") {
    var line: [UInt8] = []
    line.append(text: what)
    line.append(text: subject)
    line.append(text: end)
    line.append(text: "\n")
    try? Descriptor.output.write(line)
  }
}
