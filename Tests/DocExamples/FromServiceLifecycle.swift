import LastCall
import Logging
import ServiceLifecycle

func fromServiceLifecycle(server: any Service, consumer: any Service, exporter: any Service, logger: Logger) async {
  let termination = Termination(logger: logger)
  termination.add(server, name: "http")
  termination.add(consumer, name: "orders", awaitedIn: .flush)
  termination.add(exporter, name: "metrics", toldIn: .exit, awaitedIn: .exit)
  await termination.runAndExit()
}
