/// Work that a stop waits for, from its begin to ``end(cut:)``.
///
/// It is the entry of the registry itself: to track something costs this one allocation.
public final class TrackedWork: Sendable {
  /// What kind of work it is. Work of one kind is counted together in the log: `2 requests (GET /export, 4.1 s)`.
  public struct Kind: Sendable, Hashable, CustomStringConvertible {
    /// One of them, in a report.
    public let description: String
    /// Several of them, in a log line; nil for work that is always named one by one.
    let plural: String?

    /// Work that is named one by one.
    public static let task = Kind(description: "task", plural: nil)
    /// HTTP requests, or calls of any protocol.
    public static let request = Kind(description: "request", plural: "requests")
    /// Messages of a queue.
    public static let message = Kind(description: "message", plural: "messages")

    private init(description: String, plural: String?) {
      self.description = description
      self.plural = plural
    }

    /// A kind of one's own.
    /// - Parameters:
    ///   - singular: one of them, "import".
    ///   - plural: several of them, "imports".
    public init(_ singular: String, plural: String) { self.init(description: singular, plural: plural) }
  }

  /// What it is called.
  public let name: String
  /// What kind of work it is.
  public let kind: Kind
  /// The file that began it, as `Module/File.swift`.
  public let fileID: StaticString
  /// The line that began it.
  public let line: UInt

  let began: Duration
  private let registry: WorkRegistry
  /// Guarded by the registry's lock, as everything that the list is made of.
  nonisolated(unsafe) var links = WorkLinks()

  init(name: String, kind: Kind, began: Duration, fileID: StaticString, line: UInt, registry: WorkRegistry) {
    self.name = name
    self.kind = kind
    self.began = began
    self.fileID = fileID
    self.line = line
    self.registry = registry
  }

  /// Says how far it has come: shown in the log while a stop waits for it, and in the report when it is abandoned.
  /// - Parameter progress: a few words, "row 5,000 of 80,000". The last note replaces those before.
  public func note(_ progress: String) { registry.note(progress, on: self) }

  /// It has ended. Further calls do nothing.
  /// - Parameter cut: whether it was broken off before it was complete.
  public func end(cut: Bool = false) { registry.remove(self, cut: cut) }
}

/// What a piece of work is to the list it is in.
struct WorkLinks {
  var previous: Unmanaged<TrackedWork>?
  var next: Unmanaged<TrackedWork>?
  var isListed = false
  var note: String?
}
