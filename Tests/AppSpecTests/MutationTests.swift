import Seeded
import StopPlan
import Testing

@testable import AppSpec

/// Whatever is done to a good file, it gives a file or mistakes with places, and never a crash.
@Suite struct MutationTests {
  static let good = """
    name: shop
    apps:
      web:
        command: [./server, --port, $PORT, '*x', "a\\tb"]
        directory: .
        env: &e { LOG_LEVEL: info, A: "$LOG_LEVEL/${COLOR}$$" }
        replicas: 3
        listen: { port: 8080, via: proxy, host: 127.0.0.1 }
        ready: { http: /readyz, every: 200ms, timeout: 1s }
        stop:
          plan: hook(./x $COLOR)/TERM@main/20/KILL@tree
          grace: 30s
          preStop: { http: { path: /drain, method: POST, port: 9 } }
        update: { surge: 25%, unavailable: 0, deadline: 60s, settle: 3s }
        restart: { policy: on-failure, backoff: 1s..60s }
        sidecars:
          - { name: mesh, command: [./mesh, $PORT], env: { A: b }, ready: { tcp: 9001 }, stop: { plan: TERM/5, preStop: { sleep: 1 } } }
        exits: { 0: done, 75: restart, SIGKILL: stop }
        logs: { size: 10MiB, keep: 5, full: drop }
        limits: { files: 1024..65536, processes: 512, core: unlimited }
        notify: { watchdog: 10s, extend: 5m, store: 16 }
      worker: { command: &c [worker, -v], env: *e, ready: { exec: *c }, live: { exec: *c, after: 1s, failures: 2 }, after: [web, once] }
      once: { kind: job, command: *c, restart: { policy: never }, envFiles: [{ path: ./x.env, optional: true, secret: true }], secrets: [HOME] }
      timed: { kind: job, command: *c, schedule: "*/5 0-4 1,2 JAN-DEC/2 *", umask: 027, user: root:0 }
      boxed: { image: nginx:$COLOR, runtime: podman, podman: [--memory=1g], command: [nginx], reload: { signal: HUP } }
    """

  static let scraps = [
    "*e", "&e ", "*none", "!!str ", "!x ", "<<: *e\n", "? ", ": ", "- ", "[", "]", "{", "}", "'", "\"", "|\n", ">\n", "#", "\t", "\r", "\n",
    "\0", "\u{FEFF}",
    "\u{E000}", "\u{2028}", "é", "🛑", "~", "null", "true", "-1", "99999999999999999999", "0x7f", "1e9", "$", "$$", "${", "$PORT", "$NONE",
    "%", "---\n", "...\n",
    "../", "/", "\\", "\\x00", "live: 1\n", "via: socket", "  ", "KILL/", "hook(", "pause(1)/", "..", "@", "`",
    "kind: job\n", "after: web", "after: [once, web]", "schedule: '@daily'\n", "unlimited", "10MiB", "image: x\n", "runtime: podman\n",
    "0..1",
    "SIGKILL", "web", "mesh",
  ]

  @Test func theUnchangedFileIsGood() {
    #expect(mistakes(Self.good).isEmpty)
  }

  /// In block style other mutations are likely: of indentation and dashes.
  @Test(arguments: 100..<112 as Range<UInt64>)
  func mutationsOfBlocksGiveAFileOrMistakes(_ seed: UInt64) { mutate(fullFile, seed, rounds: 120) }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func mutationsGiveAFileOrMistakes(_ seed: UInt64) { mutate(Self.good, seed, rounds: 60) }

  private func mutate(_ good: String, _ seed: UInt64, rounds: Int) {
    var random = SeededRandom(seed: seed)
    var files = 0
    for round in 0..<rounds {
      var scalars = Array(good.unicodeScalars)
      for _ in 0...Int.random(in: 0..<2, using: &random) { mutate(&scalars, using: &random) }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      let lines = text.split(omittingEmptySubsequences: false) { "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0) }.count
      do throws(AppFileError) {
        let file = try read(String(text))
        files += 1
        #expect(!file.apps.isEmpty, "seed \(seed), round \(round)")
        #expect(file.startOrder.sorted() == file.apps.map(\.name).sorted(), "seed \(seed), round \(round)")
        for app in file.apps {
          #expect(!app.command(port: 1).isEmpty)
          #expect((try? App(json: app.json())) == app, "seed \(seed), round \(round)")
        }
      } catch {
        #expect(!error.mistakes.isEmpty, "seed \(seed), round \(round)")
        for mistake in error.mistakes {
          let line = mistake.position?.line ?? 0
          #expect(line >= 1 && line <= lines + 1 && (mistake.position?.column ?? 0) >= 1, "seed \(seed), round \(round): \(mistake)")
          #expect(!mistake.message.isEmpty && !mistake.description.contains("\n"), "seed \(seed), round \(round): \(mistake)")
        }
      }
    }
    // Both ends are reached, or the mutations are too mild or too wild to show anything.
    #expect(files > 0 && files < rounds, "seed \(seed): \(files) files")
  }

  private func mutate(_ scalars: inout [Unicode.Scalar], using random: inout SeededRandom) {
    let start = Int.random(in: 0...scalars.count, using: &random)
    let end = min(scalars.count, start + Int.random(in: 0..<12, using: &random))
    switch Int.random(in: 0..<5, using: &random) {
    case 0: scalars.removeSubrange(start..<end)
    case 1: scalars.insert(contentsOf: scalars[start..<end], at: Int.random(in: 0...scalars.count, using: &random))
    case 2: scalars.insert(contentsOf: (Self.scraps.randomElement(using: &random) ?? "").unicodeScalars, at: start)
    case 3: scalars.replaceSubrange(start..<end, with: (Self.scraps.randomElement(using: &random) ?? "").unicodeScalars)
    default:
      guard start < scalars.count, let other = Unicode.Scalar(UInt32.random(in: 0..<0x250, using: &random)) else { return }
      scalars[start] = other
    }
  }
}
