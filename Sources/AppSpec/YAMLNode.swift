/// A value of a YAML document with its place: what the typed readers look at.
struct YAMLNode {
  /// A single value.
  struct Scalar {
    /// The text, with quotes and escapes resolved.
    var text: String
    /// Whether it was written without quotes, so that it may be a number, a boolean or nothing.
    var isPlain: Bool

    /// Whether it is YAML's null: nothing at all, `~` or `null` (YAML 1.2, 10.3.2 Tag Resolution).
    var isNothing: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }
  }

  /// One `key: value` of a mapping.
  struct Entry {
    var key: String
    var keyPosition: Position
    var value: YAMLNode
  }

  enum Value {
    case scalar(Scalar)
    case sequence([YAMLNode])
    case mapping([Entry])
  }

  var value: Value
  var position: Position
}
