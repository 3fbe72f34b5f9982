import Foundation

/// What a user declares in a `lastcall.yaml`, read, checked and with its defaults filled in.
public struct AppFile: Equatable, Sendable {
  /// The file's name where none is given.
  public static let defaultName = "lastcall.yaml"

  /// The name of the whole: `[a-z0-9][a-z0-9-]{0,62}`; the directory's name unless written, in lower case and with dashes for other characters.
  public var name: String
  /// The file, as the user named it.
  public var path: String
  /// The absolute directory of the file; relative paths in it are relative to this.
  public var directory: String
  /// The apps, in the file's order; at least one.
  public var apps: [App]

  /// The environment that the apps will inherit, of which only PATH is kept.
  private var searchPath: String?
  /// Where each field stands.
  private var positions: [String: Position]

  /// Reads a file.
  /// - Parameters:
  ///   - path: the file, relative to the current directory or absolute.
  ///   - environment: what `$NAME` stands for where the app's own `env` does not say.
  /// - Throws: all that is wrong with the file.
  public init(contentsOf path: String, environment: [String: String]) throws(AppFileError) {
    let text = try fileText(path)
    let absolute = absolutePath(path, in: FileManager.default.currentDirectoryPath)
    let directory = absolute.lastIndex(of: "/").map { String(absolute[..<$0]) } ?? ""
    try self.init(text: text, path: path, directory: directory.isEmpty ? "/" : directory, environment: environment)
  }

  /// Reads a text.
  /// - Parameters:
  ///   - text: the YAML, at most 1 MiB.
  ///   - path: the file's name, for messages.
  ///   - directory: the absolute directory that relative paths are relative to.
  ///   - environment: what `$NAME` stands for where the app's own `env` does not say.
  /// - Throws: all that is wrong with the text.
  public init(text: String, path: String, directory: String, environment: [String: String]) throws(AppFileError) {
    guard text.utf8.count <= maximumFileSize else { throw tooLarge(path) }
    var reader = FileReader(file: path, text: text, directory: directory, environment: environment)
    let root: YAMLNode?
    do throws(YAMLDocument.Problem) {
      root = try YAMLDocument.root(of: text)
    } catch {
      throw AppFileError([Mistake(file: path, position: error.position, path: "", message: error.message)])
    }
    let contents = reader.read(root)
    let mistakes = reader.reader.mistakes
    guard mistakes.isEmpty, let contents else {
      // Those of files that it names come after its own.
      throw AppFileError(mistakes.filter { $0.file == path } + mistakes.filter { $0.file != path })
    }
    name = contents.name
    apps = contents.apps
    self.path = path
    self.directory = directory
    searchPath = environment["PATH"]
    positions = reader.reader.positions
  }

  /// Where a field stands, such as `apps.web.listen`; nil when the file does not have it.
  public func position(of field: String) -> Position? { positions[field] }

  /// Checks what depends on this machine: that every command, probe and hook can be started (its file is there and may be executed; a name
  /// without a slash is looked up in the app's own PATH, else in that of the environment the file was read with), and that every user is known.
  /// - Throws: one mistake for each that is not so.
  public func checkCommands() throws(AppFileError) {
    var mistakes: [Mistake] = []
    for app in apps {
      checkUser(of: app, &mistakes)
      // A container's variables are not podman's.
      let own = app.container == nil ? app.environment["PATH"]?.text(for: ReplicaValues()) : nil
      let searchPath = own ?? searchPath
      for (field, command) in app.commands {
        do throws(ExecutableError) {
          _ = try command.executable(searchPath: searchPath)
        } catch {
          let path = "apps.\(app.name).\(field)"
          mistakes.append(Mistake(file: self.path, position: positions[path], path: path, message: error.description))
        }
      }
    }
    if !mistakes.isEmpty { throw AppFileError(mistakes) }
  }

  private func checkUser(of app: App, _ mistakes: inout [Mistake]) {
    // A container's users are the image's.
    guard let user = app.user, app.container == nil else { return }
    do throws(User.Problem) {
      _ = try user.identity()
    } catch {
      let path = "apps.\(app.name).user"
      mistakes.append(Mistake(file: self.path, position: positions[path], path: path, message: error.description))
    }
  }
}
