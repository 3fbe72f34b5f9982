import Synchronization
import Testing

@testable import Engine

@Suite struct OccasionTests {
  @Test func whoeverAsksIsToldOnce() {
    var occasion = Occasion()
    let told = Mutex<[String]>([])
    occasion.then { told.withLock { $0.append("before") } }
    #expect(!occasion.hasCome)
    #expect(told.withLock { $0 }.isEmpty)
    occasion.come()
    occasion.come()
    #expect(told.withLock { $0 } == ["before"])
    occasion.then { told.withLock { $0.append("after") } }
    #expect(occasion.hasCome)
    #expect(told.withLock { $0 } == ["before", "after"])
  }
}
