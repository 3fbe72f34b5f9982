import Testing

@testable import AppSpec

@Suite struct AfterTests {
  private func apps(_ after: [(String, String)]) -> String {
    "apps:\n" + after.map { "  \($0): { command: [x]\($1.isEmpty ? "" : ", after: \($1)") }\n" }.joined()
  }

  @Test func oneNameOrMoreAreKept() throws {
    let file = try read(apps([("web", "[cache, migrate]"), ("cache", ""), ("migrate", "cache")]))
    #expect(file.apps.map(\.after) == [["cache", "migrate"], [], ["cache"]])
    #expect(file.startOrder == ["cache", "migrate", "web"])
  }

  @Test func whatDoesNotWaitStartsInTheFilesOrder() throws {
    let file = try read(apps([("d", "c"), ("b", ""), ("a", "[b, c]"), ("c", "")]))
    #expect(file.startOrder == ["b", "c", "d", "a"])
  }

  @Test func aCircleIsNamed() {
    #expect(
      mistakes(apps([("a", "b"), ("b", "c"), ("c", "[d, a]"), ("d", "")])) == [
        "lastcall.yaml:4:33: apps.c.after[1]: the apps wait for each other: a → b → c → a; take one out"
      ])
    #expect(
      mistakes(apps([("a", "b"), ("b", "a"), ("x", "y"), ("y", "x")])) == [
        "lastcall.yaml:3:29: apps.b.after: the apps wait for each other: a → b → a; take one out",
        "lastcall.yaml:5:29: apps.y.after: the apps wait for each other: x → y → x; take one out",
      ])
  }

  @Test func aNameIsInAListOnce() {
    #expect(
      mistakes(apps([("a", "[b, b]"), ("b", "")])) == ["lastcall.yaml:2:33: apps.a.after[1]: \"b\" is in the list before; keep one"])
  }

  @Test func aScheduleHasNoEnd() {
    #expect(
      mistakes("apps:\n  a: { command: [x], after: b }\n  b: { command: [x], kind: job, schedule: '@daily' }") == [
        "lastcall.yaml:2:29: apps.a.after: \"b\" runs by its schedule again and again, so that there is no end to wait for; leave it out"
      ])
  }

  @Test func anAppThatCouldNotBeReadIsKnownAllTheSame() {
    #expect(mistakes("apps:\n  a: { command: [x], after: b }\n  b: { command: 3 }").count == 1)
  }

  @Test func longChainsAreNoRecursion() throws {
    let names = (0..<9_000).map { "a\($0)" }
    let chain = zip(names, names.dropFirst()).map { ($0, $1) }
    #expect(try read(apps(chain + [("a8999", "")])).startOrder == names.reversed())
    let circle = mistakes(apps(chain + [("a8999", "a0")]))
    #expect(circle.count == 1)
    #expect(circle.first?.contains("a0 → a1 → a2 → a3 → a4 → a5 → … → a8996 → a8997 → a8998 → a8999 → a0;") == true)
  }
}
