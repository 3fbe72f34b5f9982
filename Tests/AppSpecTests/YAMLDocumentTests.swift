import Testing

@testable import AppSpec

@Suite struct YAMLDocumentTests {
  @Test(arguments: [
    ("apps: [", "2:1: this is not YAML: did not find expected node content while parsing a flow node that begins at 2:1"),
    (
      "apps:\n\tweb: x",
      "2:1: this is not YAML: found character that cannot start any token while scanning for the next token that begins at 2:1"
    ),
    ("apps: 'x", "1:9: this is not YAML: found unexpected end of stream while scanning a quoted scalar that begins at 1:7"),
    ("a: 1\nb: \u{1}", "2:4: this is not YAML: control characters are not allowed"),
    ("apps: {}\n---\napps: {}", "2:1: expected one YAML document, found another"),
    ("apps:\n  web: { command: [x] }\n  web: { command: [y] }", "2:3: \"web\" is written more than once in this mapping; keep one"),
    ("apps: { web: { command: [x], command: [y] } }", "1:16: \"command\" is written more than once in this mapping; keep one"),
    ("{ 1: a, '1': b }", "1:3: \"1\" is written more than once in this mapping; keep one"),
    ("!x apps: {}", "1:1: YAML tags (\"!x\") are not supported; write the value without it"),
    ("apps: !x { web: 1 }", "1:7: YAML tags (\"!x\") are not supported; write the value without it"),
    ("apps: !!int 3", "1:7: YAML tags (\"tag:yaml.org,2002:int\") are not supported; write the value without it"),
    ("? [a]\n: b", "1:3: expected a key, found a list, a mapping or an alias in its place"),
    ("a: &x 1\n*x : b", "2:1: expected a key, found a list, a mapping or an alias in its place"),
    ("a: *none", "1:4: \"*none\" is a YAML alias, and there is no such anchor before it; quote the text if no alias is meant"),
    (
      "a: *.sh",
      "1:5: this is not YAML: did not find expected alphabetic or numeric character while scanning an alias that begins at 1:4; put a text that begins with * in quotes"
    ),
    (
      "a: @daily",
      "1:4: this is not YAML: found character that cannot start any token while scanning for the next token that begins at 1:4; put a text that begins with @ in quotes"
    ),
    ("a: &a [*a]", "1:8: \"*a\" is a YAML alias, and there is no such anchor before it; quote the text if no alias is meant"),
    ("a: &a 1\nb: !x *a", "2:4: a YAML alias takes neither an anchor nor a tag"),
    ("a: &a { b: 1 }\nc: { <<: *a }", "2:6: merge keys (<<) are not supported; write the fields out, or use an alias for a whole value"),
  ])
  func whatIsNotADocumentSaysWhere(_ text: String, _ message: String) {
    #expect(mistakes(text) == ["lastcall.yaml:" + message])
  }

  @Test func aliasesStandForTheirAnchors() throws {
    let text = """
      apps:
        a: { command: &command [./server, '*b*', "*command"], env: &env { GLOB: a*b, N: &n 3 } }
        b: { command: *command, env: *env, replicas: *n }
      """
    let file = try read(text)
    #expect(file.apps[1].command == file.apps[0].command)
    #expect(file.apps[1].command(port: nil) == ["/tmp/server", "*b*", "*command"])
    #expect(file.apps[1].environment(for: ReplicaValues()) == ["GLOB": "a*b", "N": "3"])
    #expect(file.apps[1].replicas == 3)
  }

  @Test func aMistakeInAnAliasStandsWhereItIsUsed() {
    #expect(
      mistakes("apps:\n  a: { command: &x [x] }\n  b: { command: [y], replicas: *x }") == [
        "lastcall.yaml:3:32: apps.b.replicas: expected a whole number of 1 to 10000, found a list"
      ])
  }

  @Test(arguments: ["%: [x]", "? %\n: x", "[%]: x", "{%: x}: x", "apps: %"])
  func aliasesThatMultiplyAreBounded(_ use: String) {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1...40 { text += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ") + "]\n" }
    text += use.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "*a40 ")
    let found = mistakes(text)
    #expect(found.count == 1)
    #expect(found.first?.contains("values, its aliases expanded") == true, "\(found)")
  }

  @Test(arguments: [33, 500, 999, 2_000, 200_000])
  func nestingIsBounded(_ depth: Int) {
    for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
      let text = String(repeating: open, count: depth) + "x" + String(repeating: close, count: depth)
      let found = mistakes(text)
      #expect(found.count == 1)
      #expect(found.first?.hasSuffix("nested more than 32 deep") == true, "\(found)")
    }
  }

  @Test func nestingByAliasesIsBounded() {
    let text = (1...40).reduce("a0: &a0 x\n") { $0 + "a\($1): &a\($1) [*a\($1 - 1)]\n" }
    #expect(mistakes(text).first?.contains("more than 32 deep") == true)
  }
}
