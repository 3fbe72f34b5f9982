import Seeded
import StopPlan
import Testing

@Suite struct StopPlanTextTests {
  @Test(arguments: [
    ("TERM/25/KILL", "TERM/25/KILL"),
    ("QUIT/10/TERM/5/KILL", "QUIT/10/TERM/5/KILL"),
    ("TERM@main/20/KILL@tree", "TERM/20/KILL"),
    ("-15/0.5/KILL@main", "TERM/0.5/KILL@main"),
    ("term/500ms/term@rest/1m30s/kill", "TERM/0.5/TERM@rest/90/KILL"),
    ("25", "TERM/25/KILL"),
    ("TERM/4?/TERM@rest", "TERM/4?/TERM@rest"),
    ("hook(nginx -s quit)/pause(2)/QUIT", "hook(nginx -s quit)/pause(2)/QUIT"),
    ("hook('/a b/c' \"it's\" ')/(')/TERM", "hook('/a b/c' 'it'\\''s' ')/(')/TERM"),
    ("-RTMIN+2@group", "RTMIN+2@group"), ("-32", "-32"),
  ])
  func readsAndPrints(text: String, canonical: String) throws {
    let plan = try StopPlan(text)
    #expect(plan.description == canonical)
    #expect(try StopPlan(canonical).steps == plan.steps)
  }

  @Test(arguments: [
    ("", 1, "empty"), ("TERM//KILL", 6, "missing"), ("TERM/25/KIL", 9, "expected a signal"), ("TERM@all/5", 6, "scope"),
    ("TERM/5x/KILL", 6, "length"), ("TERM/forever", 6, "always ends"), ("5/KILL", 1, "after a signal"), ("hook(a", 1, "closing"),
    ("hook('a)/TERM", 1, "closing"), ("hook()/TERM", 6, "command"), ("TERM/hook(a)", 6, "before the first signal"),
    ("KILL/5/TERM", 6, "after it"), ("pause(x)/TERM", 7, "length"), ("TERM/99999999999999999999", 6, "length"), ("TERM/-65", 6, "signal"),
    ("TERM/11y", 6, "length"), ("TERM/", 6, "missing"), ("/TERM", 1, "missing"), ("TERM /5", 1, "expected a signal"),
    ("15/5", 4, "after a signal"),
  ])
  func pointsAtTheMistake(text: String, character: Int, words: String) {
    do {
      let plan = try StopPlan(text)
      Issue.record("\(text) was read as \(plan)")
    } catch {
      #expect(error.description.hasPrefix("at character \(character): "), "\(text): \(error)")
      #expect(error.description.contains(words), "\(text): \(error)")
    }
  }

  @Test func graceIsTheTextsOwnUnlessSet() throws {
    #expect(try StopPlan("TERM/25/KILL").grace == .seconds(30))
    #expect(try StopPlan("TERM/60/KILL").grace == .seconds(60))
    #expect(try StopPlan("TERM/60/KILL", grace: .seconds(20)).grace == .seconds(20))
  }

  @Test func randomPlansRoundTrip() throws {
    for seed in UInt64(0)..<2_000 {
      var generator = SeededRandom(seed: seed)
      let plan = RandomPlan.make(&generator)
      let again = try StopPlan(plan.description)
      #expect(again.steps == plan.steps, "seed \(seed): \(plan)")
    }
  }

  @Test func randomBytesNeverCrashAndErrorsPointInside() {
    let alphabet = Array("TERMKILQU/@0123456789.?()'\"\\ hokpause-+ms".utf8)
    for seed in UInt64(0)..<20_000 {
      var generator = SeededRandom(seed: seed)
      let text = (0..<generator.int(0...24)).map { _ in alphabet[generator.int(0...alphabet.count - 1)] }
      do {
        let plan = try StopPlan(text: text[...], grace: nil)
        var printed: [UInt8] = []
        plan.append(to: &printed)
        #expect(try StopPlan(text: printed[...], grace: nil).steps == plan.steps, "seed \(seed)")
      } catch {
        #expect(error.position >= 0 && error.position <= text.count, "seed \(seed)")
      }
    }
  }

  @Test func presetsAreReadableAndSourced() throws {
    for preset in Preset.all {
      #expect(!preset.source.isEmpty)
      #expect(Preset.named(preset.name) == preset)
      let plan = try preset.plan()
      #expect(plan.grace == preset.grace, "\(preset.name)")
      #expect(try preset.plan(grace: .seconds(3)).grace == .seconds(3))
    }
    #expect(try Preset.named("docker")?.plan(grace: .seconds(3)).description == "TERM/3/KILL")
    #expect(try Preset.named("nginx")?.plan(grace: .seconds(30)).description == "QUIT/5/TERM/25/KILL")
    #expect(Preset.named("dockr") == nil)
  }
}

@Suite struct WordsTests {
  @Test(arguments: [
    ("a b  c", ["a", "b", "c"]), ("'a b' c", ["a b", "c"]), ("a\\ b", ["a b"]), ("\"a\\\"b\" 'c\\d'", ["a\"b", "c\\d"]), ("a''b", ["ab"]),
    ("''", [""]), ("  ", []), ("$HOME `x` *", ["$HOME", "`x`", "*"]),
  ])
  func splitsAsAShellDoes(text: String, words: [String]) throws {
    #expect(try Words.split(Array(text.utf8)[...]) == words.map { Array($0.utf8) })
  }

  @Test func saysWhatIsNotClosed() {
    #expect(throws: Words.Problem.openQuote(position: 2)) { try Words.split(Array("a 'b".utf8)[...]) }
    #expect(throws: Words.Problem.trailingBackslash(position: 1)) { try Words.split(Array("a\\".utf8)[...]) }
  }
}
