import StopPlan

/// What comes, in the order of time; what comes at one moment in the order in which it was put in.
struct StepQueue<Value> {
  private var heap: [(at: Instant, order: Int, value: Value)] = []
  private var order = 0

  var first: (at: Instant, value: Value)? { heap.first.map { ($0.at, $0.value) } }

  mutating func insert(_ value: Value, at moment: Instant) {
    order += 1
    heap.append((moment, order, value))
    var child = heap.count - 1
    while child > 0, precedes(child, (child - 1) / 2) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func removeFirst() -> (at: Instant, value: Value)? {
    guard let first = heap.first else { return nil }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) { least = child }
      if least == parent { return (first.at, first.value) }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  private func precedes(_ lhs: Int, _ rhs: Int) -> Bool { (heap[lhs].at, heap[lhs].order) < (heap[rhs].at, heap[rhs].order) }
}
