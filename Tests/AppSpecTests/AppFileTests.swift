import Foundation
import StopPlan
import Testing

@testable import AppSpec

@Suite struct AppFileTests {
  @Test func theLeastFileHasTheStatedDefaults() throws {
    let file = try read("apps: { web: { command: [./server] } }", directory: "/tmp")
    #expect(file.name == "tmp")
    #expect(file.path == "lastcall.yaml")
    #expect(file.directory == "/tmp")
    let app = try #require(file.apps.first)
    #expect(file.apps.count == 1)
    #expect(
      app
        == App(
          name: "web", command: CommandWords(program: "./server", directory: "/tmp"), directory: "/tmp", environment: [:], replicas: 1,
          listen: nil, ready: nil, stop: Stop(.standard(grace: .seconds(30))),
          update: Update(surge: .count(0), unavailable: .count(1), deadline: .seconds(60), settle: .seconds(1)),
          restart: Restart(policy: .always, backoff: .seconds(1) ... .seconds(60))))
    #expect(app.command(port: nil) == ["/tmp/server"])
  }

  @Test func theDesignsExampleIsReadWhole() throws {
    let scratch = try Scratch()
    try scratch.write("web/server", "", mode: 0o755)
    let text = """
      name: shop
      apps:
        web:
          command: [./server, --port, $PORT]
          directory: ./web
          env: { LOG_LEVEL: info }
          replicas: 3
          listen: { port: 8080, via: proxy }
          ready: { http: /readyz, every: 200ms }
          stop:
            plan: TERM/25/KILL
            grace: 30s
            preStop: { exec: [./leave-cluster] }
          update: { surge: 1, unavailable: 0, deadline: 60s, settle: 3s }
          restart: { policy: always, backoff: 1s..60s }
        worker:
          command: [worker, --queue, mail]
      """
    let file = try read(text, directory: scratch.path)
    #expect(file.name == "shop")
    #expect(file.apps.map(\.name) == ["web", "worker"])
    let app = file.apps[0]
    let directory = "\(scratch.path)/web"
    #expect(app.directory == directory)
    #expect(app.command(port: 15_001) == ["\(directory)/server", "--port", "15001"])
    #expect(app.environment(for: ReplicaValues(port: nil)) == ["LOG_LEVEL": "info"])
    #expect(app.replicas == 3)
    #expect(app.listen == Listen(host: "127.0.0.1", port: 8080, via: .proxy))
    #expect(app.ready == Readiness(.http(HTTPTarget(path: "/readyz")), every: .milliseconds(200), timeout: .seconds(1)))
    #expect(app.update == Update(settle: .seconds(3)))
    let plan = app.stop.plan(for: ReplicaValues(port: 15_001))
    #expect(plan.description == "hook(\(directory)/leave-cluster)/TERM/25/KILL")
    #expect(plan.grace == .seconds(30))
    #expect(app.stop.grace == .seconds(30))
  }

  @Test func appsComeInTheFilesOrder() throws {
    let names = (0..<40).map { "app-\(($0 * 7) % 40)" }
    let file = try read("apps:\n" + names.map { "  \($0): { command: [x] }\n" }.joined())
    #expect(file.apps.map(\.name) == names)
  }

  @Test(arguments: [
    ("/srv/shop", "shop"), ("/srv/My Shop", "my-shop"), ("/srv/.hidden", "hidden"),
    ("/srv/" + String(repeating: "a", count: 80), String(repeating: "a", count: 63)),
    ("/srv/shop/", "shop"),
  ])
  func theNameIsTheDirectorys(_ directory: String, _ name: String) throws {
    #expect(try read("apps: { web: { command: [x] } }", directory: directory).name == name)
  }

  @Test func aDirectoryWithoutANameAsksForOne() {
    #expect(
      mistakes("apps: { web: { command: [x] } }", directory: "/") == [
        "lastcall.yaml:1:1: the directory / gives no name; write one, as in name: shop"
      ])
  }

  @Test func allMistakesAreFoundInOnePassInTheFilesOrder() {
    let text = """
      nme: shop
      apps:
        web:
          command: ./server --port 80
          replicas: three
          listen: { port: 99999, via: magic }
        worker:
          comand: [x]
      """
    #expect(
      mistakes(text) == [
        "lastcall.yaml:1:1: nme: unknown key \"nme\"; did you mean \"name\"?",
        "lastcall.yaml:4:14: apps.web.command: expected a list of words, found \"./server --port 80\"; a command is never given to a shell: "
          + "write [./server, --port, 80]",
        "lastcall.yaml:5:15: apps.web.replicas: expected a whole number of 1 to 10000, found \"three\"",
        "lastcall.yaml:6:21: apps.web.listen.port: expected a whole number of 1 to 65535, found \"99999\"",
        "lastcall.yaml:6:33: apps.web.listen.via: expected socket or proxy, found \"magic\"",
        "lastcall.yaml:8:5: apps.worker.comand: unknown key \"comand\"; did you mean \"command\"?",
      ])
  }

  @Test func mistakesBeyondAHundredAreCounted() throws {
    let text = "apps:\n  web:\n    command: [x]\n" + (0..<150).map { "    zzzzzz\($0): 1\n" }.joined()
    let error = try #require(throws: AppFileError.self) { try read(text) }
    #expect(error.mistakes.count == 100)
    #expect(error.omitted == 50)
    #expect(error.description.hasSuffix("\nand 50 more"))
  }

  // MARK: Files

  @Test func aFileIsReadFromDisk() throws {
    let scratch = try Scratch()
    let path = try scratch.write("lastcall.yaml", "\u{FEFF}name: shop\r\napps: { web: { command: [./server] } }\r\n")
    let file = try AppFile(contentsOf: path, environment: [:])
    #expect(file.directory == scratch.path)
    #expect(file.path == path)
    #expect(file.apps[0].command(port: nil) == ["\(scratch.path)/server"])
  }

  @Test func whatCannotBeReadSaysWhy() throws {
    let scratch = try Scratch()
    let binary = "\(scratch.path)/binary.yaml"
    try Data([0x61, 0x3a, 0x0a, 0x20, 0xff]).write(to: URL(fileURLWithPath: binary))
    let large = try scratch.write("large.yaml", String(repeating: "# a comment\n", count: 100_000))
    let cases = [
      ("no-such-lastcall.yaml", "no-such-lastcall.yaml: no such file in this directory; write one or name it with -f"),
      ("\(scratch.path)/none.yaml", "\(scratch.path)/none.yaml: no such file; write one or name it with -f"),
      (scratch.path, "\(scratch.path): this is a directory; name the file in it, as in \(scratch.path)/lastcall.yaml"),
      (binary, "\(binary):2:2: the file is not UTF-8 text; save it as UTF-8"),
      (large, "\(large): the file is larger than 1 MiB; is it an app file?"),
    ]
    for (path, message) in cases {
      let error = #expect(throws: AppFileError.self) { try AppFile(contentsOf: path, environment: [:]) }
      #expect(error?.description == message)
    }
  }

  @Test(.enabled(if: getuid() != 0, "root reads every file"))
  func aForbiddenFileSaysSo() throws {
    let scratch = try Scratch()
    let path = try scratch.write("lastcall.yaml", "", mode: 0)
    let error = #expect(throws: AppFileError.self) { try AppFile(contentsOf: path, environment: [:]) }
    #expect(error?.description == "\(path): the file cannot be read: permission denied; give this user the right to read it")
  }
}
