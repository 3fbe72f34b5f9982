import StopPlan
import Testing

@testable import Engine

@Suite struct StopStatisticsTests {
  private func stops(_ seconds: [Double], killed: Int = 0, grace: Int64) -> AppDescription.Stops? {
    let records = seconds.enumerated().map { StopRecord(app: "web", seconds: $1, wasKilled: $0 < killed) }
    return AppDescription.Stops(records, grace: .seconds(grace))
  }

  private func advice(_ seconds: [Double], killed: Int = 0, grace: Int64) -> String? {
    stops(seconds, killed: killed, grace: grace)?.advice
  }

  @Test func noStopSaysNothing() {
    #expect(stops([], grace: 30) == nil)
  }

  @Test func ranksAreThoseOfStopsThatWere() throws {
    let hundred = try #require(stops((1...100).reversed().map(Double.init), grace: 1000))
    #expect(hundred.count == 100 && hundred.p50 == 50 && hundred.p99 == 99 && hundred.killed == 0)
    let one = try #require(stops([7], grace: 1000))
    #expect(one.count == 1 && one.p50 == 7 && one.p99 == 7)
  }

  /// It is said first, however short the others were.
  @Test func oneThatWasKilledIsEnough() {
    #expect(
      advice([30] + Array(repeating: 0.1, count: 199), killed: 1, grace: 30)
        == "1 of 200 stops ended by KILL: the grace of 30 s is too short, or the program does not end by its stop signal")
  }

  /// A grace that was made longer is no shorter for what was killed under the one before; KILL may come by the plan long before the grace is over.
  @Test func oneThatWasKilledSoonerSaysNothing() {
    #expect(advice([1, 2], killed: 1, grace: 60) == nil)
    let killed = StopRecord(app: "web", seconds: 5, wasKilled: true)
    #expect(AppDescription.Stops([killed], grace: .seconds(60), killTime: .seconds(5))?.advice != nil)
  }

  @Test func fourFifthsOfTheGraceAreTooClose() {
    #expect(advice([24], grace: 30) == nil)
    #expect(advice([24.1], grace: 30) == "stops take up to 24.1 s of the grace of 30 s: too close; raise it to 49 s")
    // One in a hundred does not count.
    #expect(advice([29] + Array(repeating: 10, count: 99), grace: 30) == nil)
    #expect(advice([29, 29] + Array(repeating: 10, count: 98), grace: 30)?.contains("too close") == true)
  }

  @Test func aTenthOfTheGraceInTwentyStopsIsFarTooLong() {
    #expect(advice(Array(repeating: 2, count: 19), grace: 100) == nil)
    #expect(
      advice(Array(repeating: 2, count: 20), grace: 100)
        == "nearly all stops end within 2 s: a grace of 100 s only delays what hangs; 8 s would do")
    #expect(advice(Array(repeating: 10, count: 20), grace: 100) == nil)
    // Ten seconds are worth no word, and less than five are never advised.
    #expect(advice(Array(repeating: 0.1, count: 20), grace: 10) == nil)
    #expect(advice(Array(repeating: 0.1, count: 20), grace: 11)?.hasSuffix("; 5 s would do") == true)
  }

  /// Who follows what is advised is not told the contrary then.
  @Test(arguments: [0.1, 1, 2, 9, 24.1, 29.5, 90, 99] as [Double], [30, 100, 1000] as [Int64])
  func whatIsAdvisedFits(seconds: Double, grace: Int64) throws {
    let all = Array(repeating: seconds, count: 20)
    guard let text = advice(all, grace: grace) else { return }
    let advised = try #require(text.split(separator: " ").compactMap { Int64($0) }.last, "\(text)")
    #expect(advice(all, grace: advised) == nil, "\(text)")
  }
}
