import StopPlan
import Testing

@testable import AppSpec

@Suite struct DifferenceTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func thereIsOneWhereSomethingIsNotAsItWas(_ seed: UInt64) {
    var make = AppGenerator(seed: seed)
    for round in 0..<5 {
      let old = make.app()
      #expect(old.differences(from: old).isEmpty)
      for (index, change) in AppGenerator.changes.enumerated() {
        var new = old
        change(&new, &make)
        let differences = new.differences(from: old)
        #expect(differences.isEmpty == (new == old), "seed \(seed), round \(round), change \(index): \(differences)")
        #expect(Set(differences.map(\.path)).count == differences.count, "seed \(seed), round \(round), change \(index): \(differences)")
        #expect(differences.allSatisfy { $0.old != $0.new }, "seed \(seed), round \(round), change \(index): \(differences)")
      }
    }
  }

  @Test func fieldsAreNamedAsInTheFile() throws {
    let old = try web(
      "listen: { port: 8080 }", "env: { A: 1, B: 2 }", "replicas: 3", "ready: { http: /readyz }", "exits: { 75: restart }",
      "sidecars: [{ name: mesh, command: [./mesh] }]", "umask: 022")
    let new = try web(
      "listen: { port: 8080, via: socket }", "env: { A: 1, B: '3 $$x', C: 4 }", "replicas: 5", "ready: notify", "stop: { grace: 1m }",
      "sidecars: [{ name: mesh, command: [./mesh, -v 1] }]", "umask: 007", "update: { settle: 0 }", "after: []")
    #expect(
      new.differences(from: old) == [
        Difference(path: "env.B", old: "2", new: "3 $$x"), Difference(path: "env.C", old: nil, new: "4"),
        Difference(path: "replicas", old: "3", new: "5"), Difference(path: "listen.via", old: "proxy", new: "socket"),
        Difference(path: "ready", old: nil, new: "notify"), Difference(path: "stop.grace", old: "30s", new: "1m"),
        Difference(path: "sidecars.mesh.command", old: "[./mesh]", new: "[./mesh, '-v 1']"),
        Difference(path: "sidecars.mesh.stop.grace", old: "30s", new: "1m"),
        Difference(path: "update.settle", old: "1s", new: "0"), Difference(path: "umask", old: "022", new: "007"),
        Difference(path: "ready.http", old: "/readyz", new: nil), Difference(path: "exits.75", old: "restart", new: nil),
      ])
  }

  @Test(arguments: [
    ("replicas", false), ("update.surge", false), ("restart.policy", false), ("exits.75", false), ("after", false), ("schedule", false),
    ("secrets", false), ("command", true), ("env.A", true), ("stop.grace", true), ("ready.http", true), ("live.every", true),
    ("logs.size", true),
    ("reload.signal", true), ("kind", true), ("sidecars", true), ("sidecars.replicas.command", true), ("image", true), ("user", true),
  ])
  func whatTheEngineAloneActsOnLeavesReplicasAlone(_ path: String, _ needsNewReplicas: Bool) {
    #expect(Difference(path: path, old: "1", new: "2").needsNewReplicas == needsNewReplicas)
  }

  @Test func secretsAreNotInThem() throws {
    let old = try web(
      "env: { DB_PASSWORD: hunter22, URL: 'db://$DB_PASSWORD@h', API_TOKEN: abcdef }", "reload: { exec: [x, $DB_PASSWORD] }")
    let new = try web(
      "env: { DB_PASSWORD: 'o''pen$$1', URL: 'db://$DB_PASSWORD@i', NEW_SECRET: abcdefg }", "reload: { exec: [x, $DB_PASSWORD] }")
    let differences = new.differences(from: old)
    #expect(
      differences == [
        Difference(path: "env.DB_PASSWORD", old: "(secret)", new: "(secret, changed)"),
        Difference(path: "env.NEW_SECRET", old: nil, new: "(secret)"),
        Difference(path: "env.URL", old: "db://***@h", new: "db://***@i"),
        Difference(path: "reload.exec", old: "[x, '***']", new: "[x, '***'] (secret, changed)"),
        Difference(path: "env.API_TOKEN", old: "(secret)", new: nil),
      ])
    // What is a secret on one side only is none to be shown either.
    let named = try web("env: { KEY: abcdef }", "secrets: [KEY]")
    let plain = try web("env: { KEY: ghijkl }")
    #expect(
      named.differences(from: plain) == [
        Difference(path: "env.KEY", old: "(secret)", new: "(secret, changed)"), Difference(path: "secrets", old: nil, new: "[KEY]"),
      ])
  }
}
