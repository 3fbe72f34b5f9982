import Foundation

/// The largest app file: beyond it a mistake is likelier than a use.
let maximumFileSize = 1 << 20

func tooLarge(_ path: String) -> AppFileError {
  mistake(path, "the file is larger than 1 MiB; is it an app file?")
}

/// The file's text, read within bounds.
func fileText(_ path: String) throws(AppFileError) -> String {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw unreadable(path, errno) }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 65_536)
  while bytes.count <= maximumFileSize {
    let count = read(descriptor, &chunk, chunk.count)
    if count == 0 { break }
    if count < 0 {
      if errno == EINTR { continue }
      throw unreadable(path, errno)
    }
    bytes.append(contentsOf: chunk[..<count])
  }
  guard bytes.count <= maximumFileSize else { throw tooLarge(path) }
  guard let text = String(validating: bytes, as: UTF8.self) else { throw notUTF8(bytes, path) }
  return text
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
  var position = Position(line: 1, column: 1)
  var decoder = UTF8()
  var iterator = bytes.makeIterator()
  while case .scalarValue(let scalar) = decoder.decode(&iterator) {
    position = scalar == "\n" ? Position(line: position.line + 1, column: 1) : Position(line: position.line, column: position.column + 1)
  }
  return mistake(path, at: position, "the file is not UTF-8 text; save it as UTF-8")
}
