import StopPlan

/// Replicas in the order of a key, the least first: a binary heap whose user drops stale entries when they come up.
struct ReplicaQueue<Key: Comparable & Sendable>: Sendable {
  private var heap: [(key: Key, number: ReplicaNumber)] = []

  var count: Int { heap.count }

  /// The first entry, which may be stale.
  var head: (key: Key, number: ReplicaNumber)? { heap.first }

  mutating func insert(_ number: ReplicaNumber, at key: Key) {
    heap.append((key, number))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard precedes(child, parent) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func removeFirst() {
    guard !heap.isEmpty else { return }
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(child, least) { least = child }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  private func precedes(_ lhs: Int, _ rhs: Int) -> Bool {
    heap[lhs].key == heap[rhs].key ? heap[lhs].number < heap[rhs].number : heap[lhs].key < heap[rhs].key
  }
}
