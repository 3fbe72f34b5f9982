extension AppReader {
  /// Reads `after`: a name, or a list of names. Whether there are such apps is known when all have been read.
  mutating func readAfter(_ field: Field?) -> [(name: String, field: Field)] {
    let expected = "an app's name, or a list of names such as [migrate, cache]"
    guard let field else { return [] }
    if case .scalar = field.node.value {
      return reader.text(field, expected: expected).map { [($0, field)] } ?? []
    }
    guard let names = reader.texts(field, expected: expected, item: "an app's name") else { return [] }
    var known: Set<String> = []
    for (name, item) in names where !known.insert(name).inserted {
      reader.report("\(shown(name)) is in the list before; keep one", at: item)
    }
    return names.map { ($0.text, $0.field) }
  }
}

/// Which apps wait for which, as they are written.
struct AfterGraph {
  /// One app and what it waits for.
  struct Node {
    var name: String
    var after: [(name: String, field: Field)]
    /// Whether it runs by a schedule, so that nobody can wait for its end.
    var isScheduled: Bool
  }

  private let nodes: [Node]
  private let indices: [String: Int]

  init(_ nodes: [Node]) {
    self.nodes = nodes
    indices = Dictionary(nodes.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// What is wrong: names that there are none of, an app that waits for itself, for a schedule, or in a circle.
  func problems() -> [(field: Field, message: String)] {
    var problems: [(Field, String)] = []
    for node in nodes {
      for (name, field) in node.after {
        if name == node.name {
          problems.append((field, "an app cannot wait for itself; leave it out"))
        } else if let index = indices[name] {
          if nodes[index].isScheduled {
            problems.append(
              (field, "\(shown(name)) runs by its schedule again and again, so that there is no end to wait for; leave it out"))
          }
        } else {
          let hint = nearestName(to: name, among: nodes.map(\.name)).map { "; did you mean \"\($0)\"?" } ?? ""
          problems.append((field, "expected the name of an app of this file, found \(shown(name))\(hint)"))
        }
      }
    }
    return problems + circles()
  }

  /// One problem for each circle, at the `after` of its first app that closes it.
  private func circles() -> [(Field, String)] {
    var problems: [(Field, String)] = []
    // 0: not seen, 1: on the path, 2: done. Without recursion: a file may have thousands of apps in one chain.
    var states = [Int](repeating: 0, count: nodes.count)
    for root in nodes.indices where states[root] == 0 {
      var path = [(node: root, next: 0)]
      states[root] = 1
      while let (node, next) = path.last {
        guard next < nodes[node].after.count else {
          states[node] = 2
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let (name, field) = nodes[node].after[next]
        guard let target = indices[name], target != node else { continue }
        if states[target] == 0 {
          states[target] = 1
          path.append((target, 0))
        } else if states[target] == 1, let start = path.firstIndex(where: { $0.node == target }) {
          let names = path[start...].map { nodes[$0.node].name } + [name]
          problems.append((field, "the apps wait for each other: \(Self.shortened(names).joined(separator: " → ")); take one out"))
        }
      }
    }
    return problems
  }

  private static func shortened(_ names: [String]) -> [String] {
    names.count <= 12 ? names : names.prefix(6) + ["…"] + names.suffix(5)
  }
}

extension AppFile {
  /// The apps' names so that each comes after those that it waits for, otherwise in the file's order. A stop goes the other way.
  public var startOrder: [String] {
    let known = Set(apps.map(\.name))
    var waiting: [String: [Int]] = [:]
    var missing = apps.map { Set($0.after).intersection(known).subtracting([$0.name]).count }
    for (index, app) in apps.enumerated() {
      for name in Set(app.after) where known.contains(name) && name != app.name { waiting[name, default: []].append(index) }
    }
    var order: [String] = []
    var ready = apps.indices.filter { missing[$0] == 0 }
    while !ready.isEmpty {
      order += ready.map { apps[$0].name }
      let released = ready.flatMap { waiting[apps[$0].name] ?? [] }
      for index in released { missing[index] -= 1 }
      ready = Set(released).filter { missing[$0] == 0 }.sorted()
    }
    return order
  }
}
