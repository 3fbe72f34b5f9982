import ArgumentParser
import StopPlan

/// lastcall signals
struct SignalTable: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "signals", abstract: "List the signals: names, numbers per architecture, what they do by default.")
  @Option(name: [.customShort("o", allowingJoined: true), .customLong("output")], help: "table or json.") var format = OutputFormat.table

  struct Row: Encodable {
    var name: String
    var number: Int32
    var alphaSparc: Int32?
    var mips: Int32?
    var parisc: Int32?
    var action: String
    var queues: Bool
  }

  func run() throws {
    let rows = (Int32(1)...64).compactMap { Signal(number: $0) }.map { signal in
      Row(
        name: signal.name, number: signal.number, alphaSparc: signal.number(on: .alphaSparc), mips: signal.number(on: .mips),
        parisc: signal.number(on: .parisc), action: "\(signal.defaultAction)", queues: signal.isRealTime)
    }
    if format == .json { return try Output.json(rows) }
    Output.line("NAME      NUMBER  ALPHA,SPARC  MIPS  PA-RISC  BY DEFAULT  QUEUES")
    for row in rows {
      let numbers = [row.alphaSparc, row.mips, row.parisc].map { $0.map(String.init) ?? "-" }
      Output.line(
        [
          row.name.padded(to: 9), "\(row.number)".padded(to: 7), numbers[0].padded(to: 12), numbers[1].padded(to: 5),
          numbers[2].padded(to: 8),
          row.action.padded(to: 11), row.queues ? "yes" : "no",
        ].joined(separator: " "))
    }
  }
}
