import Foundation
import StopPlan
import Testing

@testable import AppSpec

/// What the engine keeps of an app gives the same app again, also in another version.
@Suite struct CodingTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func anAppIsReadAsItWasWritten(_ seed: UInt64) throws {
    var make = AppGenerator(seed: seed)
    for round in 0..<40 {
      let app = make.app()
      let json = try app.json()
      let read = try App(json: json)
      #expect(read == app, "seed \(seed), round \(round)")
      #expect(try read.json() == json, "seed \(seed), round \(round)")
      #expect(!json.contains("\n"))
    }
  }

  @Test func theAppsOfAFileAreReadAsTheyWereWritten() throws {
    for app in try read(fullFile).apps {
      #expect(try App(json: app.json()) == app)
      // The plans that are carried out, too.
      #expect(try App(json: app.json()).stop.plan(for: ReplicaValues(port: 1)) == app.stop.plan(for: ReplicaValues(port: 1)))
    }
  }

  @Test func theLeastThatIsKeptHasTheDefaults() throws {
    let command = CommandWords(program: "./server", directory: "/srv")
    let json = "{\"name\":\"web\",\"command\":{\"program\":\"./server\",\"directory\":\"/srv\"}}"
    #expect(try App(json: json) == App(name: "web", command: command))
    #expect(try web() == App(name: "web", command: CommandWords(program: "./server", directory: "/tmp")))
    let more = """
      {"name":"web","command":{"program":"./server","directory":"/srv"},"listen":{"port":80},"ready":{"tcp":{}},"live":{"http":{"path":"/"}},
      "stop":{},"update":{},"restart":{},"logs":{},"notify":{},"limits":{},"sidecars":[{"name":"a","command":{"program":"b","directory":"/"}}],
      "container":{"image":"x"}}
      """
    var expected = App(name: "web", command: command)
    expected.listen = Listen(port: 80)
    expected.ready = Readiness(.tcp(port: nil))
    expected.live = Liveness(.http(HTTPTarget(path: "/")))
    expected.update = Update()
    expected.sidecars = [Sidecar(name: "a", command: CommandWords(program: "b", directory: "/"), directory: "/")]
    expected.container = Container(image: "x")
    #expect(try App(json: more) == expected)
  }

  /// Keys of a later version are put into every object, and each key is taken out once.
  @Test(arguments: 0..<10 as Range<UInt64>)
  func anotherVersionsKeysAreNoMatter(_ seed: UInt64) throws {
    var make = AppGenerator(seed: seed)
    let app = make.app()
    let object = try #require(try JSONSerialization.jsonObject(with: Data(app.json().utf8)) as? [String: Any])
    let later = String(decoding: try JSONSerialization.data(withJSONObject: Self.withFutureKeys(object)), as: UTF8.self)
    #expect(try App(json: later) == app, "seed \(seed)")
    for key in object.keys where !["name", "command"].contains(key) {
      var earlier = object
      earlier[key] = nil
      let json = String(decoding: try JSONSerialization.data(withJSONObject: earlier), as: UTF8.self)
      #expect(throws: Never.self, "seed \(seed), without \(key)") { try App(json: json) }
    }
  }

  private static func withFutureKeys(_ value: Any, at key: String = "") -> Any {
    if let list = value as? [Any] { return list.map { withFutureKeys($0) } }
    guard var object = value as? [String: Any] else { return value }
    for (name, inner) in object { object[name] = withFutureKeys(inner, at: name) }
    // In these every key is the user's own.
    if !["env", "exits"].contains(key) { object["future"] = ["a": [1, nil] as [Any?]] }
    return object
  }

  @Test(arguments: [
    "", "[]", "{}", "{\"name\":\"web\"}",
    "{\"name\":\"web\",\"command\":{\"program\":\"x\",\"directory\":\"/\",\"arguments\":[\"$NONE\"]}}",
    "{\"name\":\"web\",\"command\":{\"program\":\"x\",\"directory\":\"/\",\"arguments\":[\"$\"]}}",
    #"{"name":"web","command":{"program":"x","directory":"/"},"stop":{"grace":"soon"}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"stop":{"steps":[{}]}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"stop":{"steps":[{"send":"TERM","to":"all"}]}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"ready":{}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"exits":{"999":"done"}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"limits":{"files":"few"}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"update":{"surge":"101%"}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"restart":{"backoff":"2s..1s"}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"reload":{"signal":"HOP"}}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"user":"a b"}"#,
    #"{"name":"web","command":{"program":"x","directory":"/"},"kind":"daemon"}"#,
  ])
  func whatIsNoAppIsAnError(_ json: String) {
    #expect(throws: DecodingError.self) { try App(json: json) }
  }
}
