import Foundation
import StopPlan
import Testing

@testable import AppSpec

@Suite struct EnvFileTests {
  @Test(arguments: [
    ("", [:]), ("# x\n\n  # y\n", [:]), ("A=1\nB=2", ["A": "1", "B": "2"]), ("A=", ["A": ""]), ("A= \t\n", ["A": ""]),
    ("A=  x y \t\r\nB=1\r\n", ["A": "x y", "B": "1"]), ("export A=1\nexport  B=2\n\texport\tC=3", ["A": "1", "B": "2", "C": "3"]),
    ("export=1", ["export": "1"]), ("A=b=c", ["A": "b=c"]), ("A=a#b", ["A": "a#b"]), ("A=$HOME ${X} `x`", ["A": "$HOME ${X} `x`"]),
    ("A=a\"b\" c'd", ["A": "a\"b\" c'd"]), ("A='it is # $A \\n'", ["A": "it is # $A \\n"]),
    ("A=\"a\\n\\t\\\"\\\\\\$b # x\"", ["A": "a\n\t\"\\$b # x"]),
    ("A='x' # why\nB=\"y\"\t#why\nC=''", ["A": "x", "B": "y", "C": ""]),
    ("K='-----BEGIN\nabc\n-----END'\nB=1", ["K": "-----BEGIN\nabc\n-----END", "B": "1"]),
    ("\u{FEFF}A=1", ["A": "1"]), ("a.b-c_D9=1", ["a.b-c_D9": "1"]), ("A=C:\\dir\\", ["A": "C:\\dir\\"]), ("A=é🛑", ["A": "é🛑"]),
    ("A= 'x'", ["A": "x"]),
  ])
  func aFileIsRead(_ text: String, _ variables: [String: String]) throws {
    let entries = try EnvFile.entries(of: text)
    #expect(Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0.value) }) == variables)
  }

  @Test(arguments: [
    ("A", 1, 1, "expected NAME=VALUE"), ("A =1", 1, 1, "expected NAME=VALUE"), ("x\nA=1", 1, 1, "expected NAME=VALUE"),
    ("A=1\n  9A=2", 2, 3, "expected NAME=VALUE"), ("=1", 1, 1, "expected NAME=VALUE"), ("É=1", 1, 1, "expected NAME=VALUE"),
    ("export A", 1, 8, "expected NAME=VALUE"), ("A: 1", 1, 1, "expected NAME=VALUE"), ("; x", 1, 1, "expected NAME=VALUE"),
    ("A=1\nB=2\nA=3", 3, 1, "A is set on line 1 already"), ("A=x #y", 1, 5, "some programs take this # for a comment"),
    ("A=#y", 1, 3, "some programs take this #"), ("A=x\nB='y\nC=1", 2, 3, "expected the quote to be closed"),
    ("A=\"x", 1, 3, "expected the quote"),
    ("A=\"x\" y", 1, 7, "expected the line's end"), ("A='x'#y", 1, 6, "expected the line's end"),
    ("A='x''y'", 1, 6, "expected the line's end"),
    ("A=\"\\x\"", 1, 5, "expected \\n, \\r, \\t"), ("A=\"\\", 1, 5, "expected \\n"), ("\nA=a\0b", 2, 1, "A has a NUL byte"),
  ])
  func whatIsAmbiguousSaysWhere(_ text: String, _ line: Int, _ column: Int, _ message: String) {
    let error = #expect(throws: EnvFile.Problem.self) { try EnvFile.entries(of: text) }
    #expect(error?.position == Position(line: line, column: column))
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
  }

  @Test func filesAreTheAppsVariables() throws {
    let scratch = try Scratch()
    try scratch.write("a.env", "A=a\nB=b\nC=$COLOR\n")
    try scratch.write("red.env", "B=B\nD=d\n")
    let text = """
      apps:
        web:
          command: [./server, $A, $B, $D]
          envFiles: [./a.env, './$COLOR.env', { path: ./none.env, optional: true }]
          env: { A: own, E: 'x$D$C' }
      """
    let app = try #require(try read(text, directory: scratch.path).apps.first)
    #expect(app.environment(for: ReplicaValues()) == ["A": "own", "B": "B", "C": "$COLOR", "D": "d", "E": "xd$COLOR"])
    #expect(app.command(port: nil).dropFirst() == ["own", "B", "d"])
    #expect(app.secrets.isEmpty)
  }

  @Test func filesAreRelativeToTheAppFile() throws {
    let scratch = try Scratch()
    try scratch.write("a.env", "A=a")
    try scratch.write("sub/x", "")
    let app = try read("apps: { web: { command: [x], directory: ./sub, envFiles: [a.env] } }", directory: scratch.path).apps[0]
    #expect(app.environment(for: ReplicaValues()) == ["A": "a"])
  }

  @Test func aFileThatIsSecretMakesItsVariablesSecret() throws {
    let scratch = try Scratch()
    try scratch.write("a.env", "DATABASE_URL=postgres://me:pw@host\n")
    let app = try read("apps: { web: { command: [x], envFiles: [{ path: a.env, secret: true }] } }", directory: scratch.path).apps[0]
    #expect(app.secrets == ["DATABASE_URL"])
    #expect(app.redactedEnvironment() == ["DATABASE_URL": "***"])
  }

  @Test(arguments: [
    FieldCase("envFiles: ./a.env", "15: apps.web.envFiles: expected a list of files such as [./web.env], found \"./a.env\""),
    FieldCase(
      "envFiles: [[]]",
      "16: apps.web.envFiles[0]: expected a file such as ./web.env, or a mapping such as { path: ./web.env, optional: true }, found a list"),
    FieldCase("envFiles: ['']", "16: apps.web.envFiles[0]: expected a file such as ./web.env, found an empty text"),
    FieldCase("envFiles: [{}]", "16: apps.web.envFiles[0]: expected a path, as in { path: ./web.env }"),
    FieldCase("envFiles: [{ pth: x }]", "18: apps.web.envFiles[0].pth: unknown key \"pth\"; did you mean \"path\"?"),
    FieldCase(
      "envFiles: [./no-such.env]",
      "16: apps.web.envFiles[0]: file /tmp/no-such.env does not exist; make it, or write { path: …, optional: true }"),
    FieldCase("envFiles: [/]", "16: apps.web.envFiles[0]: / is a directory; name the file in it"),
    FieldCase("envFiles: [/dev/null]", "16: apps.web.envFiles[0]: /dev/null is not a file"),
    FieldCase(
      "envFiles: [./$NONE.env]",
      "16: apps.web.envFiles[0]: $NONE is not set in the environment, which is all that can be put into these paths"),
    FieldCase("envFiles: [./a$.env]", "16: apps.web.envFiles[0]: expected a variable after $, as $NAME or ${NAME}; write $$ for a dollar"),
    FieldCase("secrets: TOKEN", "14: apps.web.secrets: expected a list of variables such as [DATABASE_URL], found \"TOKEN\""),
    FieldCase("secrets: [[]]", "15: apps.web.secrets[0]: expected a variable's name, found a list"),
    FieldCase("secrets: [NONE]", "15: apps.web.secrets[0]: expected a variable of env, envFiles or the environment, found \"NONE\""),
  ])
  func fields(_ test: FieldCase) { test.expect() }

  @Test func flagsAreTrueOrFalse() {
    #expect(
      mistakes(file(["envFiles: [{ path: no-such.env, optional: yes, secret: 'true' }]"])) == [
        "lastcall.yaml:4:24: apps.web.envFiles[0].path: file /tmp/no-such.env does not exist; make it, or write { path: …, optional: true }",
        "lastcall.yaml:4:47: apps.web.envFiles[0].optional: expected true or false, found \"yes\"",
        "lastcall.yaml:4:60: apps.web.envFiles[0].secret: expected true or false, found \"true\"",
      ])
  }

  @Test func aMistakeInAFileNamesItAndItsLine() throws {
    let scratch = try Scratch()
    let path = try scratch.write("a.env", "A=1\nPASSWORD = hush\n")
    let latin = "\(scratch.path)/latin.env"
    try Data([0x41, 0x3d, 0x0a, 0x42, 0x3d, 0xe9]).write(to: URL(fileURLWithPath: latin))
    let found = mistakes(
      "apps: { web: { command: [x, $PASSWORD], replicas: x, envFiles: [a.env, latin.env] } }", directory: scratch.path)
    let why = "the name of letters, digits, _, . and -, and no blank before the =; a comment begins with #"
    #expect(
      found == [
        "lastcall.yaml:1:51: apps.web.replicas: expected a whole number of 1 to 10000, found \"x\"",
        "\(path):2:1: apps.web.envFiles[0]: expected NAME=VALUE, \(why)",
        "\(latin):2:3: apps.web.envFiles[1]: the file is not UTF-8 text; save it as UTF-8",
      ])
    #expect(!found.joined().contains("hush"))
  }

  @Test func whatLastcallSetsIsInNoFile() throws {
    let scratch = try Scratch()
    let path = try scratch.write("a.env", "PORT=1")
    #expect(
      mistakes("apps: { web: { command: [x], listen: { port: 80 }, envFiles: [a.env] } }", directory: scratch.path) == [
        "\(path):1:1: apps.web.envFiles[0]: PORT is set by lastcall for each replica under \"via: proxy\"; leave it out"
      ])
  }

  @Test func largeFilesAndValuesAreRefused() throws {
    let scratch = try Scratch()
    try scratch.write("long.env", "A=" + String(repeating: "x", count: 131_072))
    try scratch.write("large.env", String(repeating: "# x\n", count: 300_000))
    let found = mistakes("apps: { web: { command: [x], envFiles: [long.env, large.env] } }", directory: scratch.path)
    #expect(found.count == 2)
    #expect(found.last?.contains("A is longer than 128 KiB") == true)
    #expect(found.first?.contains("large.env is larger than 1 MiB") == true)
  }

  @Test func aPipeThatNobodyWritesToIsNotWaitedFor() throws {
    let scratch = try Scratch()
    #expect(mkfifo("\(scratch.path)/pipe", 0o600) == 0)
    #expect(
      mistakes("apps: { web: { command: [x], envFiles: [pipe] } }", directory: scratch.path) == [
        "lastcall.yaml:1:41: apps.web.envFiles[0]: \(scratch.path)/pipe is not a file"
      ])
  }
}
