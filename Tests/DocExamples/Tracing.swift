import Foundation
import LastCall
import LastCallTracing
import Logging
import ServiceLifecycle
import Tracing

func spans(tracer: some Tracer, logger: Logger) {
  InstrumentationSystem.bootstrap(tracer)
  let termination = Termination(logger: logger)
  termination.addObserver(StopSpans())
}

func exporterAround(termination: Termination, exporter: any Service) async {
  let exporting = Task { try await exporter.run() }
  let report = await termination.run()
  // Let it send what it has, as its documentation says.
  exporting.cancel()
  _ = await exporting.result
  exit(report.exitCode)
}
