import Foundation
import Testing

@testable import AppSpec

/// The published schema and the reader know the same keys and words.
@Suite struct SchemaTests {
  private let schema: [String: Any]

  init() throws {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/lastcall.schema.json")
    schema = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
  }

  @Test func theKeysAreThoseOfTheReader() throws {
    var found: [String: Set<String>] = [:]
    collect(schema, at: "", into: &found)
    let known: [String: [String]] = [
      "": FileKey.allCases.map(\.rawValue), "app": AppKey.allCases.map(\.rawValue), "listen": ListenKey.allCases.map(\.rawValue),
      "ready": ReadyKey.allCases.map(\.rawValue), "ready.http": ReadyHTTPKey.allCases.map(\.rawValue),
      "live": LiveKey.allCases.map(\.rawValue), "live.http": ReadyHTTPKey.allCases.map(\.rawValue),
      "stop": StopKey.allCases.map(\.rawValue), "preStop": PreStopKey.allCases.map(\.rawValue),
      "preStop.http": PreStopHTTPKey.allCases.map(\.rawValue), "sidecar": SidecarKey.allCases.map(\.rawValue),
      "sidecar.stop": SidecarStopKey.allCases.map(\.rawValue), "update": UpdateKey.allCases.map(\.rawValue),
      "restart": RestartKey.allCases.map(\.rawValue), "reload": ReloadKey.allCases.map(\.rawValue),
      "logs": LogsKey.allCases.map(\.rawValue), "notify": NotifyKey.allCases.map(\.rawValue),
      "limits": LimitsKey.allCases.map(\.rawValue), "app.envFiles": EnvFileKey.allCases.map(\.rawValue),
    ]
    #expect(found == known.mapValues { Set($0) })
  }

  @Test func everyMappingOfKnownKeysIsClosed() throws {
    var open: [String] = []
    findOpen(schema, at: "", into: &open)
    #expect(open.isEmpty)
  }

  @Test func theWordsAreThoseOfTheReader() throws {
    #expect(try words("listen", "via") == Listen.Via.allCases.map(\.rawValue))
    #expect(try words("restart", "policy") == Restart.Policy.allCases.map(\.rawValue))
    let methods = HTTPTarget.Method.allCases.map(\.rawValue)
    #expect(try words("stop", "like") == Stop.Like.allCases.map(\.rawValue))
    #expect(try words("app", "kind") == App.Kind.allCases.map(\.rawValue))
    #expect(try words("app", "runtime") == Container.Runtime.allCases.map(\.rawValue))
    #expect(try words("logs", "full") == Logs.Full.allCases.map(\.rawValue))
    let exits = try #require(try value("app", "exits", "additionalProperties") as? [String: Any])
    #expect(exits["enum"] as? [String] == Exits.Meaning.allCases.map(\.rawValue))
    let text = try String(decoding: JSONSerialization.data(withJSONObject: try definition("preStop")), as: UTF8.self)
    #expect(text.contains("[" + methods.map { "\"\($0)\"" }.joined(separator: ",") + "]"))
  }

  @Test func theDefaultsAreThoseOfTheReader() throws {
    let app = try web("listen: { port: 80 }", "ready: { tcp: true }")
    #expect(try value("app", "replicas", "default") as? Int == app.replicas)
    #expect(try value("listen", "host", "default") as? String == app.listen?.host)
    #expect(try value("listen", "via", "default") as? String == app.listen?.via.rawValue)
    #expect(try value("stop", "grace", "default") as? String == app.stop.grace.written)
    #expect(try value("update", "settle", "default") as? String == app.update.settle.written)
    #expect(try value("restart", "policy", "default") as? String == app.restart.policy.rawValue)
    // Each default that is written as a text reads back as what an app has that does not write it.
    let deadline = try #require(try value("update", "deadline", "default") as? String)
    let backoff = try #require(try value("restart", "backoff", "default") as? String)
    let ready = try #require((try definition("ready")["oneOf"] as? [[String: Any]])?.last?["properties"] as? [String: [String: Any]])
    let every = try #require(ready["every"]?["default"] as? String)
    let timeout = try #require(ready["timeout"]?["default"] as? String)
    let written = try web(
      "listen: { port: 80 }", "ready: { tcp: true, every: \(every), timeout: \(timeout) }", "update: { deadline: \(deadline) }",
      "restart: { backoff: \(backoff) }")
    #expect(written == app)
  }

  @Test func theDefaultsOfTheEnginesKeysAreThoseOfTheReader() throws {
    var fields: [String] = ["listen: { port: 80 }"]
    for name in ["live", "logs", "notify"] {
      let properties = try #require(try definition(name)["properties"] as? [String: [String: Any]])
      let defaults = properties.compactMapValues { $0["default"] }.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      fields.append("\(name): { \((defaults + (name == "live" ? ["tcp: 90"] : [])).joined(separator: ", ")) }")
    }
    fields.append("kind: \(try #require(try value("app", "kind", "default") as? String))")
    #expect(try read(file(fields)).apps == [web("listen: { port: 80 }", "live: { tcp: 90 }")])
  }

  // MARK: Walking the schema

  /// The keys of each object with `properties`, by the definition's name and the path within it.
  private func collect(_ value: Any, at path: String, into found: inout [String: Set<String>]) {
    if let list = value as? [Any] {
      for item in list { collect(item, at: path, into: &found) }
    }
    guard let object = value as? [String: Any] else { return }
    if let properties = object["properties"] as? [String: Any] {
      found[path, default: []].formUnion(properties.keys)
      for (key, property) in properties { collect(property, at: path.isEmpty ? key : "\(path).\(key)", into: &found) }
    }
    for (name, definition) in object["$defs"] as? [String: Any] ?? [:] { collect(definition, at: name, into: &found) }
    for key in ["oneOf", "items"] {
      if let inner = object[key] { collect(inner, at: path, into: &found) }
    }
  }

  private func findOpen(_ value: Any, at path: String, into open: inout [String]) {
    if let list = value as? [Any] {
      for item in list { findOpen(item, at: path, into: &open) }
    }
    guard let object = value as? [String: Any] else { return }
    if object["properties"] is [String: Any], object["additionalProperties"] as? Bool != false { open.append(path) }
    for (key, inner) in object { findOpen(inner, at: "\(path)/\(key)", into: &open) }
  }

  private func definition(_ name: String) throws -> [String: Any] {
    try #require((schema["$defs"] as? [String: Any])?[name] as? [String: Any])
  }

  private func value(_ name: String, _ property: String, _ key: String) throws -> Any? {
    try #require((try definition(name)["properties"] as? [String: [String: Any]])?[property])[key]
  }

  private func words(_ name: String, _ property: String) throws -> [String]? {
    try value(name, property, "enum") as? [String]
  }
}
