import Rollout
import Seeded
import StopPlan
import Testing

/// One that can be asked within an expectation.
private final class Testament {
  private var inheritance = Inheritance()

  var left: [Int] { inheritance.left.map(\.value) }

  func starting(_ heir: Int, of revision: Int, among replicas: [Replica]) -> Int? {
    inheritance.starting(ReplicaNumber(heir), of: revision, among: replicas)?.value
  }

  func ended(_ number: Int) -> Bool { inheritance.ended(ReplicaNumber(number)) }

  func giveBack(_ giver: Int) { inheritance.giveBack(ReplicaNumber(giver)) }

  func keep(for missing: Int) -> [Int] { inheritance.keep(for: missing).map(\.value) }
}

@Suite struct InheritanceTests {
  private func replica(_ number: Int, _ revision: Int = 1, _ phase: ReplicaPhase = .starting, sick: Bool = false) -> Replica {
    Replica(number: ReplicaNumber(number), revision: revision, phase: phase, startedAt: Instant(nanoseconds: 0), isUnhealthy: sick)
  }

  @Test func whoFollowsACrashInheritsInTheOrderOfTheEnds() {
    let inheritance = Testament()
    #expect(inheritance.starting(1, of: 1, among: [replica(1)]) == nil)
    #expect(inheritance.ended(2) && inheritance.ended(1))
    #expect(inheritance.keep(for: 2) == [])
    #expect(inheritance.starting(3, of: 1, among: [replica(3)]) == 2)
    #expect(inheritance.starting(4, of: 1, among: [replica(3), replica(4)]) == 1)
    #expect(inheritance.starting(5, of: 1, among: [replica(3), replica(4), replica(5)]) == nil)
  }

  @Test func whoReplacesALivingOneInheritsOnceFromTheOldest() {
    let inheritance = Testament()
    let old = [replica(1), replica(2)]
    #expect(inheritance.starting(3, of: 2, among: old + [replica(3, 2)]) == 1)
    // What the old one has stored was given; what it stored later ends with it.
    #expect(!inheritance.ended(1))
    #expect(inheritance.starting(4, of: 2, among: [replica(2), replica(3, 2), replica(4, 2)]) == 2)
    #expect(!inheritance.ended(2) && inheritance.left == [])
    // Of its own revision it replaces who is unhealthy.
    #expect(inheritance.starting(5, of: 2, among: [replica(3, 2), replica(4, 2, sick: true)]) == 4)
  }

  @Test func anHeirThatFailsLeavesItToTheNext() {
    let inheritance = Testament()
    #expect(inheritance.starting(2, of: 2, among: [replica(1), replica(2, 2)]) == 1)
    // The one that it is from goes on and has it still.
    #expect(!inheritance.ended(2))
    #expect(inheritance.starting(3, of: 3, among: [replica(1), replica(3, 3)]) == 1)
    // One that has outlived its giver leaves its own.
    #expect(!inheritance.ended(1) && inheritance.ended(3))
  }

  @Test func whatWasNotTakenWaitsForTheNext() {
    let inheritance = Testament()
    for number in 1...2 { #expect(inheritance.ended(number)) }
    #expect(inheritance.starting(3, of: 1, among: [replica(3)]) == 1)
    inheritance.giveBack(1)
    #expect(inheritance.left == [1, 2])
  }

  @Test func whatNobodyIsGoingToTakeIsDropped() {
    let inheritance = Testament()
    for number in 1...3 { #expect(inheritance.ended(number)) }
    #expect(inheritance.keep(for: 1) == [1, 2])
    #expect(inheritance.keep(for: 0) == [3] && inheritance.left == [])
    #expect(inheritance.keep(for: -1) == [])
  }

  /// Whatever happens in whatever order: a store waits, was given to one, or is gone, and never more than are missing wait.
  @Test(arguments: UInt64(0)..<200) func nobodysStoreGoesToTwo(seed: UInt64) {
    var generator = SeededRandom(seed: seed)
    let inheritance = Testament()
    var living: [Replica] = []
    var givenBy: [Int: [Int]] = [:]
    var failedHeirs: Set<Int> = []
    var next = 0
    for _ in 0..<300 {
      if living.isEmpty || generator.chance(50) {
        next += 1
        let heir = replica(next, generator.int(1...3), sick: generator.chance(10))
        living.append(heir)
        let giver = inheritance.starting(heir.number.value, of: heir.revision, among: living)
        if let giver {
          #expect(giver != heir.number.value)
          givenBy[giver, default: []].append(heir.number.value)
        }
      } else {
        let gone = living.remove(at: generator.int(0...living.count - 1))
        if !inheritance.ended(gone.number.value) { failedHeirs.insert(gone.number.value) }
        let missing = generator.int(0...3)
        _ = inheritance.keep(for: missing)
        #expect(inheritance.left.count <= missing)
      }
    }
    for (giver, heirs) in givenBy {
      let lasting = heirs.filter { !failedHeirs.contains($0) }
      #expect(lasting.count <= 1, "seed \(seed): \(giver) to \(heirs)")
    }
  }
}
