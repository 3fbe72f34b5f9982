import Foundation

/// The largest app file: beyond it a mistake is likelier than a use.
let maximumFileSize = 1 << 20

func tooLarge(_ path: String) -> AppFileError {
  mistake(path, "the file is larger than 1 MiB; is it an app file?")
}

/// The app file's text, read within bounds.
func fileText(_ path: String) throws(AppFileError) -> String {
  let bytes: [UInt8]
  do throws(FileProblem) {
    bytes = try fileBytes(path, regularOnly: false)
  } catch {
    throw error.code.map { unreadable(path, $0) } ?? tooLarge(path)
  }
  guard let text = String(validating: bytes, as: UTF8.self) else { throw notUTF8(bytes, path) }
  return text
}

/// Why a file's bytes could not be had: the system's error, or none for one that is too large.
struct FileProblem: Error { var code: Int32? }

/// A file's bytes, at most 1 MiB.
/// - Parameter regularOnly: refuses what is no file, such as a pipe that nobody writes to, with EINVAL.
func fileBytes(_ path: String, regularOnly: Bool) throws(FileProblem) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | (regularOnly ? O_NONBLOCK : 0))
  guard descriptor >= 0 else { throw FileProblem(code: errno) }
  defer { close(descriptor) }
  var status = stat()
  if regularOnly, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
    throw FileProblem(code: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
  }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65_536)
  while bytes.count <= maximumFileSize {
    let count = read(descriptor, &chunk, chunk.count)
    if count == 0 { break }
    if count < 0 {
      if errno == EINTR { continue }
      throw FileProblem(code: errno)
    }
    bytes.append(contentsOf: chunk[..<count])
  }
  guard bytes.count <= maximumFileSize else { throw FileProblem(code: nil) }
  return bytes
}

private func mistake(_ path: String, at position: Position? = nil, _ message: String) -> AppFileError {
  AppFileError([Mistake(file: path, position: position, path: "", message: message)])
}

private func unreadable(_ path: String, _ code: Int32) -> AppFileError {
  switch code {
  case ENOENT, ENOTDIR:
    let place = path.contains("/") ? "no such file" : "no such file in this directory"
    return mistake(path, "\(place); write one or name it with -f")
  case EACCES: return mistake(path, "the file cannot be read: permission denied; give this user the right to read it")
  case EISDIR: return mistake(path, "this is a directory; name the file in it, as in \(path)/\(AppFile.defaultName)")
  default: return mistake(path, "the file cannot be read: \(String(cString: strerror(code)))")
  }
}

private func notUTF8(_ bytes: [UInt8], _ path: String) -> AppFileError {
  mistake(path, at: placeOfBadUTF8(bytes), "the file is not UTF-8 text; save it as UTF-8")
}

/// Where bytes stop being UTF-8.
func placeOfBadUTF8(_ bytes: [UInt8]) -> Position {
  var position = Position(line: 1, column: 1)
  var decoder = UTF8()
  var iterator = bytes.makeIterator()
  while case .scalarValue(let scalar) = decoder.decode(&iterator) {
    position = scalar == "\n" ? Position(line: position.line + 1, column: 1) : Position(line: position.line, column: position.column + 1)
  }
  return position
}
