/// Work that a stop waits for, from its begin to ``end(cut:)``.
///
/// It is the entry of a list itself: to track something costs this one allocation.
public final class TrackedWork: Sendable {
  /// What kind of work it is. Work of one kind is counted together in the log: `2 requests (GET /export, 4.1 s)`.
  public struct Kind: Sendable, Hashable, CustomStringConvertible {
    private enum Name: Hashable {
      case task, request, message
      case own(singular: String, plural: String)
    }

    /// The usual kinds own no memory that would have to be counted.
    private let name: Name

    /// Work that is named one by one.
    public static let task = Kind(name: .task)
    /// HTTP requests, or calls of any protocol.
    public static let request = Kind(name: .request)
    /// Messages of a queue.
    public static let message = Kind(name: .message)

    private init(name: Name) { self.name = name }

    /// A kind of one's own.
    /// - Parameters:
    ///   - singular: one of them, "import".
    ///   - plural: several of them, "imports".
    public init(_ singular: String, plural: String) { name = .own(singular: singular, plural: plural) }

    /// One of them, in a report.
    public var description: String {
      switch name {
      case .task: "task"
      case .request: "request"
      case .message: "message"
      case .own(let singular, _): singular
      }
    }

    /// Several of them, in a log line; nil for work that is always named one by one.
    var plural: String? {
      switch name {
      case .task: nil
      case .request: "requests"
      case .message: "messages"
      case .own(_, let plural): plural
      }
    }
  }

  /// What it is called.
  public let name: String
  /// What kind of work it is.
  public let kind: Kind
  /// The file that began it, as `Module/File.swift`.
  public let fileID: StaticString
  /// The line that began it.
  public let line: UInt

  /// A stamp of the termination's clock.
  let began: Int64
  private let list: WorkList
  /// Guarded by the list's lock, as everything that the list is made of.
  nonisolated(unsafe) var links = WorkLinks()

  init(name: String, kind: Kind, began: Int64, fileID: StaticString, line: UInt, list: WorkList) {
    self.name = name
    self.kind = kind
    self.began = began
    self.fileID = fileID
    self.line = line
    self.list = list
  }

  /// Says how far it has come: shown in the log while a stop waits for it, and in the report when it is abandoned.
  /// - Parameter progress: a few words, "row 5,000 of 80,000". The last note replaces those before.
  public func note(_ progress: String) { list.note(progress, on: self) }

  /// It has ended. Further calls do nothing.
  /// - Parameter cut: whether it was broken off before it was complete.
  public func end(cut: Bool = false) { list.remove(self, cut: cut) }
}

/// What a piece of work is to the list it is in.
struct WorkLinks {
  var previous: Unmanaged<TrackedWork>?
  var next: Unmanaged<TrackedWork>?
  var isListed = false
  var note: String?
}
