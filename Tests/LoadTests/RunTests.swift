import Foundation
import Synchronization
import Testing

@testable import Load

@Suite struct RunTests {
  private func server(damagesUploads: Bool = false) throws -> ScriptedServer {
    try ScriptedServer { connection in
      while let request = connection.readRequest() {
        switch request.target {
        case "/upload":
          var body = request.body
          if damagesUploads { body[body.count - 1] ^= 1 }
          let upload = Exchange.Expectation.Upload(of: body[...])
          let json = "{\"bytes\":\(upload.bytes),\"fnv\":\"\(upload.fnv)\"}"
          connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(json.utf8.count)\r\n\r\n\(json)")
        case "/stream":
          connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
          for _ in 0..<4 { connection.send("1000\r\n\(String(repeating: "x", count: 4096))\r\n") }
          connection.send("0\r\n\r\n")
        default:
          connection.send("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nhello from 42\n")
        }
      }
    }
  }

  private func plan(_ server: ScriptedServer) throws -> LoadPlan {
    var plan = LoadPlan(target: try #require(Endpoint(parsing: "http://127.0.0.1:\(server.port)")))
    plan.connections = 16
    plan.timeout = .seconds(120)
    plan.duration = LoadPlan.longestDuration
    plan.mix = try Mix(parsing: "keep-alive=4,new=4,slow=2,stream=2,post=4")
    plan.pathSlow = "/slow"
    plan.pathStream = "/stream"
    plan.verifyPost = true
    plan.sameBody = true
    return plan
  }

  @Test func aRightServerLosesNothing() async throws {
    let server = try server()
    var plan = try plan(server)
    plan.requests = 2_000
    let report = await LoadRun(plan).besideThePool()
    #expect(report.requests == 2_000)
    #expect(report.ok == 2_000, "\(report.table)")
    #expect(report.isClean)
    #expect(report.behaviours.values.reduce(0) { $0 + $1.connections } == 16)
    #expect(report.replicas["42"] ?? 0 > 0)
    #expect(report.reopened == 0)
  }

  @Test func stopEndsARunAfterEveryConnectionHadItsAnswer() async throws {
    let server = try server()
    let run = LoadRun(try plan(server))
    let calls = Atomic<Int>(0)
    let report = await run.besideThePool {
      calls.add(1, ordering: .relaxed)
      run.stop()
    }
    #expect(calls.load(ordering: .relaxed) == 1)
    #expect(report.lost == 0, "\(report.table)")
    #expect(report.behaviours.values.allSatisfy { $0.ok >= $0.connections && $0.maxms > 0 })
    #expect(report.readyAfter != nil)
  }

  @Test func damagedUploadsAreFound() async throws {
    let server = try server(damagesUploads: true)
    var plan = try plan(server)
    plan.mix = try Mix(parsing: "post=1")
    plan.connections = 2
    plan.requests = 40
    let report = await LoadRun(plan).besideThePool()
    #expect(report.failures.filter { $0.value > 0 } == [.badBody: 40])
  }

  @Test func theDurationEndsARun() async throws {
    let server = try server()
    var plan = try plan(server)
    plan.duration = .milliseconds(100)
    let report = await LoadRun(plan).besideThePool()
    #expect(report.lost == 0, "\(report.table)")
    #expect(report.seconds >= 0.1)
  }

  @Test func aRunThatAskedNothingIsNotClean() async throws {
    let server = try server()
    var plan = try plan(server)
    plan.duration = .zero
    #expect(await !LoadRun(plan).besideThePool().isClean)
  }

  @Test func theReportIsReadableAsJSON() async throws {
    let server = try server()
    var plan = try plan(server)
    plan.requests = 20
    let report = await LoadRun(plan).besideThePool()
    let again = try JSONDecoder().decode(LoadReport.self, from: Data(report.json().utf8))
    #expect(again == report)
    #expect(again.failures.count == FailureClass.allCases.count)
    #expect(report.table.contains("0 lost"))
  }
}
