import Linux
import StopPlan

@testable import Keeper

// What a client of the control socket sends, line by line, and the stop that its requests make: every deadline and plan that a client
// can name leads to the end of the stop. Lines that begin with a dot are what happens meanwhile.

func check(_ input: [UInt8]) {
  var tree = Tree(reach: Tree.Reach.allCases[input.count % 3])
  for line in input.parts(separatedBy: "\n").prefix(40) {
    if line.first == UInt8(ascii: ".") {
      tree.happen(Array(line.dropFirst()).text)
    } else {
      line.withExactView { carryOut($0, &tree) }
    }
  }
  tree.waitForTheEnd()
}

private func carryOut(_ line: ByteView, _ tree: inout Tree) {
  do throws(ControlCommand.Mistake) {
    var command = try ControlCommand(line: line)
    switch command.name {
    case .stop, .kill:
      let request = try command.request()
      check(request, command.name)
      tree.take(.stop(request))
    case .escalate: tree.take(.escalate(id: try command.id()))
    case .signal:
      let (signal, scope) = try command.signal()
      require(scope.name.bytes == line.bytes.suffix(scope.name.count), "the scope is the line's last word")
      tree.take(.signal(signal, value: nil, fromTerminal: false))
    case .status: require(line == "status" || line == "status ", "status is a word of its own")
    case .follow: require(try command.sequence() >= 0, "a sequence number is none below 0")
    }
  } catch {
    require(!error.text.bytes.isEmpty, "a mistake says what was expected")
  }
}

/// A request can be written, and is read back as the same.
private func check(_ request: StopRequest, _ name: ControlCommand.Name) {
  require(request.id <= UInt64(Int64.max), "an id is a whole number that is not below 0")
  require(request.deadline?.nanoseconds ?? 0 >= 0, "a deadline is not before the clock's start")
  if name == .kill {
    require(request.plan == StopPlan(steps: [.send(.kill, .tree)], grace: .zero) && request.deadline == nil, "kill is KILL, at once")
  }
  guard name == .stop else { return }
  var written = Array("stop \(request.id) ".utf8)
  written += request.deadline.map { Array("\($0.nanoseconds) ".utf8) } ?? Array("- ".utf8)
  if let plan = request.plan { plan.append(to: &written) } else { written.append(UInt8(ascii: "-")) }
  guard written.count <= 4096 else { return }
  written.withExactView { line in
    do throws(ControlCommand.Mistake) {
      var command = try ControlCommand(line: line)
      require(try command.request() == request, "\(line.bytes.text) reads back as the same request")
    } catch {
      require(false, "\(line.bytes.text) reads back, not: \(error.text.bytes.text)")
    }
  }
}

/// A tree of two processes that end only by KILL or when they are said to, under a clock that is moved to what the machine waits for.
private struct Tree: ~Copyable {
  private var machine: StopMachine
  private var now = Instant(nanoseconds: 1_000_000_000_000)
  private var armed: Instant?
  private var isOver = false
  private var mainLives = true
  private var isEmpty = false

  /// Whom `.signalEverything` reaches.
  enum Reach: CaseIterable {
    case nobody, mainGroup, everybody
  }
  private let reach: Reach
  /// The newest pid when the main process's group was reached, until the next look.
  private var groupToldUpTo: Int32 = 0

  init(reach: Reach) {
    self.reach = reach
    let plan = StopPlan.standard(grace: .seconds(8))
    machine = StopMachine(StopMachine.Settings(plan: plan, isEverythingOurs: reach == .everybody))
  }

  /// Something happens that a line names.
  mutating func happen(_ what: String) {
    switch what {
    case "exit": end(main: true)
    case "empty": end(main: false)
    case "hook": take(.hookEnded)
    case "group": take(.groupEmpty)
    case "interrupt": take(.interrupted)
    case "clock": passTime()
    default: take(.clock)
    }
  }

  /// The main process ends, or everything does.
  private mutating func end(main: Bool) {
    let hadMain = mainLives
    (mainLives, isEmpty) = (false, isEmpty || !main)
    take(.reaped(main: hadMain ? .code(3) : nil, treeEmpty: isEmpty))
  }

  mutating func take(_ event: StopMachine.Event) {
    var events = [event]
    var count = 0
    while !events.isEmpty {
      count += 1
      require(count < 1000, "looks at the tree come to an end")
      events += carryOut(machine.handle(events.removeFirst(), at: now))
    }
  }

  /// - Returns: what the actions bring about.
  private mutating func carryOut(_ actions: [StopMachine.Action]) -> [StopMachine.Event] {
    require(actions.isEmpty || !isOver, "nothing is done after the end")
    var events: [StopMachine.Event] = []
    for action in actions {
      switch action {
      case .observe(let wholeTree): events.append(.observed(observation(wholeTree)))
      case .runHook(let step): require(!machine.command(ofStep: step).isEmpty, "a hook has a command")
      case .arm(let moment): armed = moment
      case .finish: isOver = true
      case .signalEverything(let signal): if reach == .mainGroup, signal != .cont { groupToldUpTo = 11 }
      case .send, .forward, .watchGroup, .note: break
      }
    }
    return events
  }

  private mutating func observation(_ wholeTree: Bool) -> Observation {
    let pids: [Int32] = isEmpty ? [] : mainLives ? wholeTree ? [10, 11] : [10] : wholeTree ? [11] : []
    let members = pids.map {
      ProcessRecord(identity: ProcessIdentity(pid: $0, startTime: 5), state: UInt8(ascii: $0 == 11 ? "T" : "S"), group: $0)
    }
    var observation = Observation(members: members, mainGroup: 10, newestPid: 11, mainCannotAct: false)
    if groupToldUpTo > 0 { (observation.toldUpTo, observation.toldGroup) = (groupToldUpTo, 10) }
    groupToldUpTo = 0
    return observation
  }

  private mutating func passTime() {
    if let armed { now = max(now, armed) }
    take(.clock)
  }

  /// A stop that was asked for comes to its end when nothing but time passes: after KILL the machine waits for nobody longer than its bound.
  mutating func waitForTheEnd() {
    guard machine.deadline != nil else { return }
    var turns = 0
    while !isOver, armed != nil {
      turns += 1
      require(turns < 1000, "a stop comes to its end")
      passTime()
    }
    // A hook has as long as the client wants, which may be for ever.
    require(isOver || machine.deadline == .never, "a stop that is not over waits for a moment")
  }
}
