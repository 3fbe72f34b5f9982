extension App {
  /// What kind of work it is.
  public enum Kind: String, CaseIterable, Codable, Sendable {
    /// It runs until it is stopped. The default.
    case service
    /// It runs until it is done, once, or by its `schedule`; when the engine stops it is waited for within its grace.
    case job
  }
}

extension AppReader {
  /// Reads `schedule`; its text is kept, checked.
  mutating func readSchedule(_ field: Field?, kind: App.Kind?) -> String? {
    let expected = "a cron schedule such as '*/5 * * * *'"
    guard let field, let scalar = reader.scalar(field, expected: expected) else { return nil }
    if kind == .service {
      reader.report("only a job has a schedule; write \"kind: job\" too", at: field)
      return nil
    }
    do throws(ScheduleError) {
      try CronText.check(scalar.text)
    } catch {
      reader.report(error.message, in: scalar, offset: error.offset, at: field)
      return nil
    }
    return scalar.text
  }

  /// What makes no sense for a job.
  mutating func checkJob(_ fields: Fields<AppKey>) {
    let refused: [(AppKey, String)] = [
      (.listen, "a job accepts no connections; leave listen out, or leave out \"kind: job\""),
      (.ready, "a job is awaited when it is done, not when it is ready; leave ready out, or leave out \"kind: job\""),
      (.live, "a job is not probed; leave live out, or leave out \"kind: job\""),
      (.update, "a job has no replicas to be replaced one by one; leave update out, or leave out \"kind: job\""),
    ]
    for (key, message) in refused {
      if let field = fields[key] { reader.report(message, at: field) }
    }
  }

  /// Reads how many replicas there are: one of a job.
  mutating func readReplicas(_ field: Field?, kind: App.Kind?) -> Int {
    guard let field, let replicas = reader.whole(field, in: 1...10_000) else { return 1 }
    guard kind != .job || replicas == 1 else {
      reader.report("a job has one replica, found \(replicas); leave replicas out, or leave out \"kind: job\"", at: field)
      return 1
    }
    return replicas
  }
}
