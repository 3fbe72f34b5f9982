import Synchronization
import Testing

@testable import Engine

@Suite struct InboxTests {
  /// What was taken, and how many were at it at a time.
  private final class Taken: Sendable {
    let items = Mutex<[Int]>([])
    private let atOnce = Mutex(0)

    func take(_ item: Int) async {
      #expect(
        atOnce.withLock {
          $0 += 1; return $0
        } == 1)
      // Others may run, and put more.
      await Task.yield()
      items.withLock { $0.append(item) }
      atOnce.withLock { $0 -= 1 }
    }

    func untilCount(_ count: Int) async { while items.withLock({ $0.count }) < count { await Task.yield() } }
  }

  @Test func whatCameBeforeItWasOpenedIsTakenFirst() async {
    let (inbox, taken) = (Inbox<Int>(), Taken())
    for item in 0..<10 { inbox.put(item) }
    inbox.open { await taken.take($0) }
    for item in 10..<20 { inbox.put(item) }
    await taken.untilCount(20)
    #expect(taken.items.withLock { $0 } == Array(0..<20))
  }

  @Test func oneAfterAnotherAndInOrderHoweverTheyCome() async {
    let (inbox, taken) = (Inbox<Int>(), Taken())
    inbox.open { await taken.take($0) }
    for item in 0..<10_000 {
      inbox.put(item)
      // So that its task ends and begins again and again.
      if item % 7 == 0 { await Task.yield() }
    }
    await taken.untilCount(10_000)
    #expect(taken.items.withLock { $0 } == Array(0..<10_000))
  }

  @Test func nothingIsLostBetweenManyWhoPut() async {
    let (inbox, taken) = (Inbox<Int>(), Taken())
    inbox.open { await taken.take($0) }
    await withTaskGroup { group in
      for part in 0..<50 {
        group.addTask {
          for item in 0..<100 {
            inbox.put(part * 100 + item)
            await Task.yield()
          }
        }
      }
    }
    await taken.untilCount(5_000)
    let items = taken.items.withLock { $0 }
    #expect(Set(items) == Set(0..<5_000))
    // Each one's own order is kept.
    for part in 0..<50 { #expect(items.filter { $0 / 100 == part } == Array(part * 100..<part * 100 + 100)) }
  }
}
