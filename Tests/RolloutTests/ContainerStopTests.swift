import Rollout
import StopPlan
import Testing

@Suite struct ContainerStopTests {
  /// The waits are for the whole tree, so that KILL does not come between the client's end and the clearing away.
  @Test(arguments: [
    ("TERM/25/KILL", "TERM/URG@rest/25/KILL"),
    ("QUIT/10/TERM/5/KILL", "QUIT/URG@rest/10/TERM/URG@rest/5/KILL"),
    ("hook(./leave now)/pause(2)/QUIT/10/KILL", "hook(./leave now)/pause(2)/QUIT/URG@rest/10/KILL"),
    ("KILL", "KILL"),
  ])
  func whatConcernsTheMainProcessIsToldFromOutside(plan: String, expected: String) throws {
    let stop = ContainerStop(try StopPlan(plan, grace: .seconds(40)), imageSignal: .quit)
    #expect(stop.outer.description == expected)
    #expect(stop.inner?.description == "KILL")
    #expect(stop.begin == .pipe)
    #expect(stop.outer.grace == .seconds(40) && stop.inner?.grace == .seconds(40))
  }

  @Test(arguments: ["TERM@tree/20/KILL", "USR1/5/TERM@group/5/KILL", "TERM/5/TERM@rest/5/KILL", "TERM/5/KILL@main/5/KILL", "STOP/1/KILL"])
  func whatConcernsOthersIsCarriedOutInside(plan: String) throws {
    let stop = ContainerStop(try StopPlan("hook(./leave)/" + plan))
    #expect(stop.outer.description == "hook(./leave)/TERM")
    #expect(stop.inner?.description == plan)
    #expect(stop.begin == .term)
    #expect(stop.inner?.grace == stop.outer.grace)
  }

  @Test func nobodysPlanIsTheImagesSignalAndLastcallInitsOwn() {
    var plan = StopPlan.standard(grace: .seconds(30))
    #expect(ContainerStop(plan).outer.description == "TERM")
    #expect(ContainerStop(plan, imageSignal: .quit).outer.description == "QUIT")
    #expect(ContainerStop(plan, imageSignal: .quit).begin == .quit)
    #expect(ContainerStop(plan, imageSignal: .quit).signal == .quit)
    plan.steps.insert(.pause(.seconds(2)), at: 0)
    let stop = ContainerStop(plan)
    #expect(stop.outer.description == "pause(2)/TERM")
    #expect(stop.inner == nil)
  }
}
