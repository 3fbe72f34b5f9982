import Foundation

/// Something that happened to an app, as `lastcall events` shows it.
public struct EngineEvent: Codable, Sendable, Equatable {
  /// Whether it is news or a worry; Kubernetes' words.
  public enum Kind: String, Codable, Sendable {
    /// As it should be.
    case normal = "Normal"
    /// Somebody should look at it.
    case warning = "Warning"
  }

  /// When, in seconds since 1970 UTC.
  public var at: Double
  /// Which app; empty for the engine itself.
  public var app: String
  /// Which replica, if one.
  public var replica: String?
  /// News or a worry.
  public var kind: Kind
  /// One word for programs, as Kubernetes names them where it has one: Started, Ready, Killing, …
  public var reason: String
  /// A sentence for people.
  public var message: String
  /// What makes it the same event when an engine that was killed is told of it again; nil for one that only its own engine can tell.
  public var key: String?

  /// Its place among all events, once it is kept.
  public var id: Int64?

  private enum CodingKeys: CodingKey { case id, at, app, replica, kind, reason, message }

  /// An event that happens now.
  public init(app: String, replica: String? = nil, kind: Kind = .normal, reason: String, message: String, key: String? = nil) {
    at = Date().timeIntervalSince1970
    self.app = app
    self.replica = replica
    self.kind = kind
    self.reason = reason
    self.message = message
    self.key = key
  }
}
