import AppSpec
import Foundation

/// The lastcall-init that is PID 1 in containers. It is the static one: an image may have no C library, or another.
enum ContainerInit {
  /// Checks that it can run in any image, if an app of the file has one.
  static func check(_ path: String, for file: AppFile) throws(EngineError) {
    guard let app = file.apps.first(where: { $0.container != nil }) else { return }
    let head = FileHandle(forReadingAtPath: path).flatMap { try? $0.read(upToCount: 4096) } ?? Data()
    guard FileManager.default.isExecutableFile(atPath: path), isStatic(head) else {
      let what = head.isEmpty ? "there is none at \(path)" : "that at \(path) is not static"
      throw EngineError(
        "\(file.path): apps.\(app.name).image: a container's PID 1 is the static lastcall-init, but \(what); build it with scripts/build init, or set LASTCALL_INIT"
      )
    }
  }

  /// Whether an executable needs no interpreter, so no library: none of its program headers is PT_INTERP (elf(5), of 64 bits).
  static func isStatic(_ head: Data) -> Bool {
    let bytes = [UInt8](head)
    guard bytes.count >= 64, bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2, 1]) else { return false }
    func number(_ offset: Int, _ size: Int) -> Int {
      guard offset + size <= bytes.count else { return -1 }
      return bytes[offset..<offset + size].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    // e_phoff, e_phentsize and e_phnum; p_type is the first field of each.
    let (start, size, count) = (number(32, 4), number(54, 2), number(56, 2))
    return (0..<count).allSatisfy {
      let type = number(start + $0 * size, 4)
      return type >= 0 && type != 3
    }
  }
}
