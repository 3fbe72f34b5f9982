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
      worker: { command: &c [worker, -v], env: *e, ready: { exec: *c } }
    """

  static let scraps = [
    "*e", "&e ", "*none", "!!str ", "!x ", "<<: *e\n", "? ", ": ", "- ", "[", "]", "{", "}", "'", "\"", "|\n", ">\n", "#", "\t", "\r", "\n",
    "\0", "\u{FEFF}",
    "\u{E000}", "\u{2028}", "é", "🛑", "~", "null", "true", "-1", "99999999999999999999", "0x7f", "1e9", "$", "$$", "${", "$PORT", "$NONE",
    "%", "---\n", "...\n",
    "../", "/", "\\", "\\x00", "live: 1\n", "via: socket", "  ", "KILL/", "hook(", "pause(1)/", "..", "@", "`",
  ]

  @Test func theUnchangedFileIsGood() {
    #expect(mistakes(Self.good).isEmpty)
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func mutationsGiveAFileOrMistakes(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var files = 0
    for round in 0..<60 {
      var scalars = Array(Self.good.unicodeScalars)
      for _ in 0...Int.random(in: 0..<2, using: &random) { mutate(&scalars, using: &random) }
      var text = String.UnicodeScalarView()
      text.append(contentsOf: scalars)
      let lines = text.split(omittingEmptySubsequences: false) { "\n\r\u{85}\u{2028}\u{2029}".unicodeScalars.contains($0) }.count
      do throws(AppFileError) {
        let file = try read(String(text))
        files += 1
        #expect(!file.apps.isEmpty, "seed \(seed), round \(round)")
        for app in file.apps { #expect(!app.command(port: 1).isEmpty) }
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
    #expect(files > 0 && files < 60, "seed \(seed): \(files) files")
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
