import Foundation

/// Why a command cannot be started.
public enum ExecutableError: Error, Equatable, Sendable, CustomStringConvertible {
  /// There is no such file; the places that were looked at.
  case notFound(command: String, lookedAt: [String])
  /// The file is there, but its mode does not let this user execute it.
  case notExecutable(command: String, path: String)
  /// It is a directory, a device or a socket.
  case notAFile(command: String, path: String)

  /// What happened and what to do.
  public var description: String {
    switch self {
    case .notFound(let command, let places):
      "command not found: \(command) (looked at \(places.isEmpty ? "an empty PATH" : places.joined(separator: ", ")))"
    case .notExecutable(let command, let path): "command not executable: \(command) (\(path)); give it the right with chmod +x"
    case .notAFile(let command, let path): "command is not a file: \(command) (\(path))"
    }
  }
}

/// The absolute path of the file that a command names.
///
/// - Parameters:
///   - command: a path when it has a slash, else a name.
///   - directory: the absolute directory that relative paths are relative to.
///   - searchPath: directories separated by colons, an empty one meaning `directory` (execvp(3)); nil takes `/bin:/usr/bin`.
public func resolveExecutable(_ command: String, directory: String, searchPath: String?) throws(ExecutableError) -> String {
  if command.contains("/") {
    let path = absolutePath(command, in: directory)
    switch executability(of: path) {
    case .executable: return path
    case .missing: throw .notFound(command: command, lookedAt: [path])
    case .notAFile: throw .notAFile(command: command, path: path)
    case .forbidden: throw .notExecutable(command: command, path: path)
    }
  }
  let places = (searchPath ?? "/bin:/usr/bin").split(separator: ":", omittingEmptySubsequences: false)
    .map { absolutePath($0.isEmpty ? "." : String($0), in: directory) }
  var forbidden: String?
  for place in places {
    let path = absolutePath(command, in: place)
    switch executability(of: path) {
    case .executable: return path
    case .forbidden: forbidden = forbidden ?? path
    case .missing, .notAFile: continue
    }
  }
  if let forbidden { throw .notExecutable(command: command, path: forbidden) }
  throw .notFound(command: command, lookedAt: places)
}

private enum Executability { case executable, missing, notAFile, forbidden }

private func executability(of path: String) -> Executability {
  guard let mode = fileMode(path) else { return errno == EACCES ? .forbidden : .missing }
  guard mode & S_IFMT == S_IFREG else { return .notAFile }
  return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? .executable : .forbidden
}

/// Whether a directory is at that path.
func isDirectory(_ path: String) -> Bool {
  fileMode(path).map { $0 & S_IFMT == S_IFDIR } ?? false
}

/// The file's type and permissions (stat(2)), or nil with `errno` set.
private func fileMode(_ path: String) -> mode_t? {
  var status = stat()
  return stat(path, &status) == 0 ? status.st_mode : nil
}
