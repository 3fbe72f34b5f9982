import CLinux
import Linux
import StopPlan

/// What the keeper waits for in one turn of its loop.
struct PollSet {
  private enum Source {
    case signals, member, listener, notify, output
    case client(Descriptor)
  }
  private var entries: [pollfd] = []
  private var sources: [Source] = []

  init(keeper: Keeper) {
    add(keeper.signals.descriptor, .signals)
    if let member = keeper.watchedMember { add(member.descriptor, .member) }
    guard let replica = keeper.replica else { return }
    add(replica.control.listener, .listener)
    add(replica.notify, .notify)
    if let output = replica.output { add(output, .output) }
    if let error = replica.error { add(error, .output) }
    for client in replica.control.clients {
      add(client.descriptor, .client(client.descriptor), writes: !client.output.isEmpty)
    }
  }

  private mutating func add(_ descriptor: Descriptor, _ source: Source, writes: Bool = false) {
    entries.append(pollfd(fd: descriptor.number, events: Int16(POLLIN | (writes ? POLLOUT : 0)), revents: 0))
    sources.append(source)
  }

  /// Waits for an event, at most until the moment.
  mutating func wait(until moment: Instant?) {
    let left = moment.map { max(0, ($0 - Clock.now).nanoseconds) } ?? -1
    let count = UInt(entries.count)
    let result = entries.withUnsafeMutableBufferPointer { lc_poll($0.baseAddress, count, left) }
    if result < 0 { for index in entries.indices { entries[index].revents = 0 } }
  }

  /// Has the keeper take what is there. Signals are taken apart, before everything else.
  func dispatch(to keeper: Keeper) {
    for index in entries.indices where entries[index].revents != 0 {
      switch sources[index] {
      case .signals: break
      case .member: keeper.watchGroup()
      case .listener: keeper.acceptClients()
      case .notify: keeper.readNotifications()
      case .output: keeper.replica?.readOutput()
      case .client(let descriptor): keeper.serve(descriptor)
      }
    }
  }
}
