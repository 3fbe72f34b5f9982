import Foundation
import Synchronization

/// A number that threads count up.
final class Counter: Sendable {
  private let count = Mutex(0)

  var value: Int { count.withLock { $0 } }

  func add(_ number: Int = 1) { count.withLock { $0 += number } }
}

/// Threads wait at it until it is opened, at most two minutes.
final class Gate: Sendable {
  private let condition = NSCondition()
  private let isOpen = Mutex(false)

  func open() {
    condition.lock()
    isOpen.withLock { $0 = true }
    condition.broadcast()
    condition.unlock()
  }

  func wait() {
    let limit = Date() + 120
    condition.lock()
    while !isOpen.withLock({ $0 }), condition.wait(until: limit) {}
    condition.unlock()
  }
}
