import Foundation
import Load

func say(_ text: String) {
  FileHandle.standardError.write(Data("\(text)\n".utf8))
}

StopSignals.block()
do {
  guard let arguments = try Arguments(CommandLine.arguments.dropFirst()) else {
    print(Arguments.help)
    exit(0)
  }
  let run = LoadRun(arguments.plan)
  StopSignals.stop(run)
  if arguments.progress ?? (isatty(STDERR_FILENO) == 1) {
    let progress = Thread {
      while true {
        sleep(1)
        let now = run.report()
        say("\(Int(now.seconds)) s: \(now.requests) requests, \(now.lost) lost")
      }
    }
    progress.start()
  }
  let readyDescriptor = arguments.readyDescriptor
  let report = run.run {
    say("ready")
    if let readyDescriptor, write(readyDescriptor, "\n", 1) != 1 {
      say("LoadClient: cannot write to descriptor \(readyDescriptor) given by --ready-fd; open it in the caller")
    }
  }
  print(arguments.json ? try report.json() : report.table)
  exit(report.isClean ? 0 : 1)
} catch let error as Arguments.UsageError {
  say("LoadClient: \(error.message)")
  exit(2)
} catch {
  say("LoadClient: the result cannot be written: \(error)")
  exit(1)
}
