import StopPlan
import Testing

@testable import AppSpec

@Suite struct SecretsTests {
  @Test(arguments: [
    ("DB_PASSWORD", true), ("passwd", true), ("MySecretThing", true), ("GITHUB_TOKEN", true), ("APIKEY", true), ("STRIPE_API_KEY", true),
    ("PRIVATE_PEM", true), ("AWS_CREDENTIALS", true), ("DATABASE_URL", true), ("LOG_LEVEL", false), ("KEY", false), ("API", false),
    ("", false),
  ])
  func aNameSaysWhetherItIsASecret(_ name: String, _ isSecret: Bool) throws {
    #expect(try web("env: { DATABASE_URL: x }", "secrets: [DATABASE_URL]").isSecret(name) == isSecret)
  }

  @Test func valuesAreTakenOutOfTexts() throws {
    let app = try web(
      "listen: { port: 80 }",
      "env: { A_SECRET: abcd, B_SECRET: abcdefgh, SHORT_SECRET: abc, C_TOKEN: \"line one\\nline two\\n\\nabc\", P_TOKEN: 'left$PORT', LEVEL: info }",
      "sidecars: [{ name: mesh, command: [x], env: { MESH_TOKEN: meshy } }]")
    #expect(app.redacted("xabcdefghabcdabc info") == "x******abc info")
    #expect(app.redacted("in line one, then line two; meshy left8080") == "in ***, then ***; *** ***8080")
    #expect(app.redacted("") == "")
    #expect(app.redacted("é🛑abcdé") == "é🛑***é")
    #expect(app.redacted("of the engine: sesame", inherited: ["ENGINE_TOKEN": "sesame", "PATH": "engine"]) == "of the engine: ***")
  }

  @Test func anAppCanBeShown() throws {
    let app = try web(
      "env: { T_TOKEN: sesame, URL: 'x-$T_TOKEN', LEVEL: info }", "ready: { exec: [check, $T_TOKEN] }", "live: { exec: [check, $T_TOKEN] }",
      "stop: { plan: hook(a $T_TOKEN)/TERM, preStop: { exec: [b, $T_TOKEN] } }", "reload: { exec: [c, $T_TOKEN] }",
      "sidecars: [{ name: mesh, command: [d, $T_TOKEN], env: { S: $T_TOKEN, U_TOKEN: u } }]")
    #expect(app.redactedEnvironment() == ["T_TOKEN": "***", "URL": "x-***", "LEVEL": "info"])
    let shown = try app.redacted().json()
    #expect(!shown.contains("sesame"))
    #expect(shown.contains("\"U_TOKEN\":\"***\""))
    #expect(app.redacted().stop.plan(for: ReplicaValues()).description == "hook(b '***')/hook(a '***')/TERM")
    let image = try web("image: x", "runtime: podman", "podman: ['--env=$T_TOKEN']", "env: { T_TOKEN: sesame }").redacted()
    #expect(image.container?.options == [Template("--env=***")])
    #expect(try web().redacted() == web())
  }

  @Test func aVariableOfTheEnvironmentMayBeNamed() throws {
    #expect(try web("secrets: [COLOR]").secrets == ["COLOR"])
  }
}
