import CLinux
import Linux
import StopPlan

/// The descriptors that a keeper holds for others: the listeners that it was started with, and what its program has stored
/// (sd_pid_notify_with_fds(3), FDSTORE=1). An engine that has lost its own fetches them by `listeners`.
final class DescriptorStore {
  /// One that the program has stored.
  struct Stored {
    let descriptor: Descriptor
    let name: [UInt8]
    /// Whether it is dropped when its other end is gone.
    let isPolled: Bool
  }

  /// How many the program may store.
  let limit: Int
  private(set) var listeners: [Descriptor] = []
  /// The listeners' names, `:` between them, as LISTEN_FDNAMES has them.
  private var listenerNames: ByteView = ""
  private(set) var stored: [Stored] = []
  /// When the program stored something while nothing was; whoever is told of that comes then.
  private(set) var filledAt = Instant(nanoseconds: 0)

  /// - Parameters:
  ///   - limit: how many the program may store.
  ///   - inheritedStored: which of those that we were started with are stored, the last ones, a `1` or `0` each (`--stored`).
  ///   - isResumed: whether the keeper before tells what is stored.
  ///   - environment: ours, which says what we were started with (sd_listen_fds(3)).
  init(limit: Int, stored inheritedStored: ByteView, isResumed: Bool, environment: CStrings) {
    self.limit = limit
    var next = environment
    var count: Int64 = 0
    var isForUs = false
    while let entry = next.pointee {
      next += 1
      var value = ByteView(entry)
      switch value.take(before: UInt8(ascii: "=")).position(among: "LISTEN_PID LISTEN_FDS LISTEN_FDNAMES") {
      case 0: isForUs = value.number() == Int64(lc_pid())
      case 1: count = value.number(limit: 1024) ?? 0
      case 2: listenerNames = value
      default: break
      }
    }
    guard isForUs, count > 0 else { return }
    let listening = max(0, Int(count) - inheritedStored.count)
    var names = listenerNames
    for index in 0..<Int(count) {
      let descriptor = Descriptor(number: 3 + Int32(truncatingIfNeeded: index))
      let name = names.take(before: UInt8(ascii: ":"))
      if index < listening {
        listeners.append(descriptor)
      } else if !isResumed, stored.count < limit {
        var text: [UInt8] = []
        text.append(text: name)
        stored.append(Stored(descriptor: descriptor, name: text, isPolled: inheritedStored[index - listening] == UInt8(ascii: "1")))
      }
    }
  }

  /// Keeps a descriptor under a name, and takes it over; one that is there already is closed, as is one too many.
  /// - Returns: false when there is no room.
  func add(_ descriptor: Descriptor, _ name: ByteView, isPolled: Bool) -> Bool {
    for entry in stored where lc_is_same_file(entry.descriptor.number, descriptor.number) != 0 {
      descriptor.close()
      return true
    }
    guard stored.count < limit else {
      descriptor.close()
      return false
    }
    var text: [UInt8] = []
    text.append(text: name.isEmpty ? "stored" : name)
    if stored.isEmpty { filledAt = Clock.now }
    stored.append(Stored(descriptor: descriptor, name: text, isPolled: isPolled))
    return true
  }

  /// Closes what has that name.
  /// - Returns: how many there were.
  func remove(_ name: ByteView) -> Int64 {
    var removed: Int64 = 0
    var index = 0
    while index < stored.count {
      if stored[index].name.withView({ $0 == name }) {
        remove(at: index)
        removed += 1
      } else {
        index += 1
      }
    }
    return removed
  }

  func remove(at index: Int) {
    stored[index].descriptor.close()
    stored.remove(at: index)
  }

  /// The replies that hand all of them over, each a line and the descriptors that go with it.
  @inline(never)
  func handOver(_ send: ([UInt8], ArraySlice<Descriptor>) -> Void) {
    var all = listeners
    var names: [UInt8] = []
    var listed = listenerNames
    for _ in listeners {
      names.append(text: listed.take(before: UInt8(ascii: ":")))
      names.append(text: ":")
    }
    for entry in stored {
      all.append(entry.descriptor)
      names.append(bytes: entry.name)
      names.append(text: ":")
    }
    names.withView { view in
      var rest = view
      var first = 0
      repeat {
        let count = min(UnixSocket.descriptorLimit, all.count - first)
        var part: [UInt8] = []
        var polled: [UInt8] = []
        for index in 0..<count {
          if index > 0 { part.append(text: ":") }
          part.append(text: rest.take(before: UInt8(ascii: ":")))
        }
        var json = JSONLine()
        json.field("reply", text: "listeners")
        json.field("count", Int64(count))
        // Of all that are handed over the first so many are listeners; what follows was stored.
        json.field("listeners", Int64(max(0, min(listeners.count - first, count))))
        part.withView { json.field("names", text: $0) }
        for index in first..<(first + count) where index >= listeners.count {
          polled.append(text: stored[index - listeners.count].isPolled ? "1" : "0")
        }
        polled.withView { json.field("polled", text: $0) }
        json.field("more", first + count < all.count)
        json.close()
        send(json.bytes, all[first..<(first + count)])
        first += count
      } while first < all.count
    }
  }

  // MARK: - An upgrade

  /// What is stored, a line each: number, whether it is watched, name.
  func list() -> [UInt8] {
    var list: [UInt8] = []
    for entry in stored {
      list.append(number: Int64(entry.descriptor.number))
      list.append(text: entry.isPolled ? " 1 " : " 0 ")
      list.append(bytes: entry.name)
      list.append(text: "\n")
    }
    return list
  }

  /// Takes over what such a list names.
  func take(_ list: [UInt8]) {
    list.withView { view in
      var rest = view
      while !rest.isEmpty {
        var line = rest.take(before: UInt8(ascii: "\n"))
        guard let number = line.take(before: UInt8(ascii: " ")).number(limit: Int64(Int32.max)) else { continue }
        let descriptor = Descriptor(number: Int32(truncatingIfNeeded: number))
        try? descriptor.setCloseOnExec(true)
        let isPolled = line.take(before: UInt8(ascii: " ")) == "1"
        _ = add(descriptor, line, isPolled: isPolled)
      }
    }
  }
}
