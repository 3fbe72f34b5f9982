import Seeded
import Testing

@testable import Load
@testable import LoadClient

@Suite struct ValueTests {
  @Test func fnvVectors() {
    for (text, hex) in [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")] {
      var hash = FNV1a()
      hash.combine(text.utf8)
      #expect(hash.hex == hex)
    }
  }

  @Test func theStandardMixIsSharedOutExactlyOn64Connections() {
    let assigned = Mix.standard.assign(64)
    #expect(Behaviour.allCases.map { one in assigned.count { $0 == one } } == [24, 16, 8, 8, 8, 0, 0])
    #expect(Set(assigned.prefix(8)).count == 5)
  }

  @Test func mixes() throws {
    let mix = try Mix(parsing: "new=3,post=0,slow=1")
    #expect(mix.assign(8).count { $0 == .new } == 6)
    #expect(throws: Mix.ParseError.unknownBehaviour("fast")) { try Mix(parsing: "fast=1") }
    #expect(throws: Mix.ParseError.notAWeight("new")) { try Mix(parsing: "new") }
    #expect(throws: Mix.ParseError.notAWeight("new=-1")) { try Mix(parsing: "new=-1") }
    #expect(throws: Mix.ParseError.repeated("new")) { try Mix(parsing: "new=1,new=2") }
    #expect(throws: Mix.ParseError.empty) { try Mix(parsing: "new=0") }
    #expect(throws: Mix.ParseError.notAWeight("")) { try Mix(parsing: "") }
  }

  @Test func quantilesAreWithinTheirBounds() {
    var histogram = LatencyHistogram()
    #expect(histogram.quantile(0.5) == 0)
    for value in 1...100_000 as ClosedRange<UInt64> { histogram.record(value) }
    for (fraction, exact) in [(0.5, 50_000.0), (0.99, 99_000.0), (0.001, 100.0)] {
      #expect(abs(Double(histogram.quantile(fraction)) - exact) <= exact / 64 + 1)
    }
    #expect(histogram.quantile(1) == 100_000)
    var other = LatencyHistogram()
    other.record(UInt64.max)
    histogram.merge(other)
    #expect(histogram.maximum == UInt64.max && histogram.quantile(1) == UInt64.max && histogram.count == 100_001)
  }

  @Test func endpoints() {
    #expect(Endpoint(parsing: "http://127.0.0.1:8080/")?.port == 8080)
    #expect(Endpoint(parsing: "http://localhost:1")?.host == "127.0.0.1")
    for url in ["127.0.0.1:80", "http://10.0.0.1:80", "http://127.0.0.1:0", "http://127.0.0.1:80/x", "http://127.0.0.1:80:80", "http://"] {
      #expect(Endpoint(parsing: url) == nil)
    }
  }

  @Test func sizesOfBodiesStayWithinTheirBounds() {
    var random = SeededRandom(seed: 1)
    #expect(random.bytes(0).isEmpty)
    #expect(random.bytes(13).count == 13)
    let body = random.bytes(100_000)[...]
    let chunked = RequestBytes.postChunked("/", host: "h", body: body, using: &random)
    #expect(chunked.suffix(5).elementsEqual(Array("0\r\n\r\n".utf8)))
  }

  @Test func commandLines() throws {
    let words = [
      "--connections", "8", "--mix=new=1", "--duration", "500ms", "--timeout=2", "--accept-post", "200,405", "--json",
      "http://127.0.0.1:80",
    ]
    let read = try #require(try Arguments(words))
    #expect(read.plan.connections == 8)
    let mix = try Mix(parsing: "new=1")
    #expect(read.plan.mix == mix)
    #expect(read.plan.duration == .milliseconds(500))
    #expect(read.plan.timeout == .seconds(2))
    #expect(read.plan.acceptPost == [200, 405])
    #expect(read.json)
    let help = try Arguments(["--help"])
    #expect(help == nil)
  }

  @Test(arguments: [
    [], ["--connections", "0", "http://127.0.0.1:80"], ["--duration", "21m", "http://127.0.0.1:80"],
    ["--what", "1", "http://127.0.0.1:80"],
    ["http://127.0.0.1:80", "http://127.0.0.1:81"], ["--duration"], ["--json=1", "http://127.0.0.1:80"],
    ["--timeout", "0", "http://127.0.0.1:80"],
    ["--path-get", "x", "http://127.0.0.1:80"], ["--duration", "-1s", "http://127.0.0.1:80"], ["--duration", "nan", "http://127.0.0.1:80"],
  ])
  func wrongCommandLines(_ words: [String]) {
    #expect(throws: Arguments.UsageError.self) { try Arguments(words) }
  }
}
