import ArgumentParser
import Engine
import Foundation

/// lastcall install
struct Install: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a systemd unit that runs the file's apps from boot on.",
    discussion: """
      The unit has what survives an engine's death: KillMode=process leaves keepers and programs alone when the engine dies, Restart=always
      brings it back, and it takes them over. Delegate=yes and LASTCALL_CGROUP=own give replicas cgroups of their own. systemctl stop stops everything by plan.
      As root it is written to /etc/systemd/system, else to ~/.config/systemd/user. Nothing is enabled or started by it.
      """)
  @OptionGroup var file: FileOption
  @Flag(name: .customLong("print"), help: "Print the unit instead of writing it.") var onlyPrints = false
  @Flag(help: "Replace a unit of that name that is there.") var force = false

  func run() async throws {
    let spec = try file.read()
    let unit = Self.unit(
      name: spec.name, file: file.absolutePath, binary: try Binaries.own(),
      directories: Self.directories(file.environment),
      grace: spec.apps.map { $0.stop.grace.nanoseconds / 1_000_000_000 }.max() ?? 0)
    if onlyPrints { return Output.write(unit, to: .standardOutput) }
    let home = file.environment["HOME"] ?? "/"
    let isRoot = getuid() == 0
    let named = file.environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    let directory = isRoot ? "/etc/systemd/system" : (named ?? home + "/.config") + "/systemd/user"
    let path = directory + "/lastcall-\(spec.name).service"
    if FileManager.default.fileExists(atPath: path), !force {
      throw CommandFailure(code: 1, message: "\(path) is there already; replace it with --force")
    }
    do {
      try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
      try Data(unit.utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw CommandFailure(code: 1, message: "\(path) cannot be written: \(error.localizedDescription)")
    }
    let user = isRoot ? "" : "--user "
    Output.line("\(path) is written; start it with: systemctl \(user)daemon-reload && systemctl \(user)enable --now lastcall-\(spec.name)")
    if !isRoot { Output.line("it ends with your last session unless you say: loginctl enable-linger") }
  }

  /// The unit's text (systemd.service(5), systemd.kill(5)).
  static func unit(name: String, file: String, binary: String, directories: String, grace: Int64) -> String {
    """
    [Unit]
    Description=lastcall: the apps of \(name)
    After=network-online.target
    Wants=network-online.target

    [Service]
    Type=notify
    ExecStart=\(quoted(binary)) up -f \(quoted(file))
    \(directories)ExecReload=/bin/kill -HUP $MAINPID
    ExecStop=\(quoted(binary)) down -f \(quoted(file))
    KillMode=process
    Delegate=yes
    Environment=LASTCALL_CGROUP=own
    Restart=always
    RestartSec=100ms
    TimeoutStartSec=infinity
    TimeoutStopSec=\(grace + 30)

    [Install]
    WantedBy=\(getuid() == 0 ? "multi-user.target" : "default.target")

    """
  }

  /// Where the engine keeps its things, when that is said: who asks it looks there.
  private static func directories(_ environment: [String: String]) -> String {
    ["LASTCALL_RUN_DIR", "LASTCALL_STATE_DIR"].compactMap { name in
      environment[name].flatMap { $0.isEmpty ? nil : "Environment=\(quoted("\(name)=\(URL(fileURLWithPath: $0).path)"))\n" }
    }.joined()
  }

  /// A word as systemd.syntax(7) reads it: percent signs and dollars are doubled.
  private static func quoted(_ word: String) -> String {
    let escaped = word.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
      .replacingOccurrences(of: "%", with: "%%").replacingOccurrences(of: "$", with: "$$")
    return escaped.contains(where: { " \t'\"".contains($0) }) ? "\"\(escaped)\"" : escaped
  }
}
