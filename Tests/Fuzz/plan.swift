import StopPlan

// The text of a stop plan: what is read can be written and read again, and is a plan; a mistake is inside the text.

func check(_ input: [UInt8]) {
  let graces: [TimeSpan] = [.zero, TimeSpan(nanoseconds: 1), .seconds(8), .longest]
  for grace in [nil, graces[input.count % graces.count]] {
    switch read(input, grace) {
    case .success(let plan): checkPlan(plan, grace)
    case .failure(let error):
      require(error.position >= 0 && error.position <= input.count, "position \(error.position) is inside the text")
      require(error.expectation.utf8CodeUnitCount > 0, "a mistake says what was expected")
    }
  }
}

private let fallback = TimeSpan.seconds(8)

private func read(_ text: [UInt8], _ grace: TimeSpan?) -> Result<StopPlan, StopPlanError> {
  text.withExactView { text in
    Result { () throws(StopPlanError) in try StopPlan(text: text, grace: grace, fallback: fallback) }
  }
}

private func checkPlan(_ plan: StopPlan, _ grace: TimeSpan?) {
  require((1...64).contains(plan.steps.count), "a plan has 1 to 64 steps, not \(plan.steps.count)")
  require(plan.grace == grace ?? max(fallback, plan.writtenLength), "grace \(plan.grace)")
  require(plan.floor >= .zero && plan.floor <= .seconds(1) && plan.floor <= plan.grace / 4, "floor \(plan.floor)")
  require(plan.reserve == .zero || plan.reserve == plan.grace / 4, "reserve \(plan.reserve)")
  checkOrder(plan.steps)
  var written: [UInt8] = []
  plan.append(to: &written)
  // Quotes can make the written form longer than a text may be.
  guard written.count <= 4096 else { return }
  guard case .success(let again) = read(written, grace) else { return require(false, "\(written.text) reads back") }
  require(again == plan, "\(written.text) reads back as the same plan")
  var rewritten: [UInt8] = []
  again.append(to: &rewritten)
  require(rewritten == written, "\(written.text) is written the same again")
}

private func checkOrder(_ steps: [StopPlan.Step]) {
  var hasSent = false
  for (index, step) in steps.enumerated() {
    switch step {
    case .hook(let words):
      require(!hasSent, "a hook comes before the first signal")
      require(!words.isEmpty, "a hook has a command")
    case .pause(let span):
      require(!hasSent, "a pause comes before the first signal")
      require(span >= .zero && span <= .longest, "pause \(span)")
    case .wait(let span, _):
      require(index > 0, "a wait is not the first step")
      require(span >= .zero && span <= .longest, "wait \(span)")
    case .send(let signal, let scope):
      hasSent = true
      let endsAll = signal == .kill && (scope == .tree || scope == .rest)
      require(!endsAll || index == steps.count - 1, "nothing comes after KILL@\(scope)")
    }
  }
}
