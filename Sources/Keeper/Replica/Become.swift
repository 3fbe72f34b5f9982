import CLinux
import Linux
import StopPlan

/// `lastcall-keeper become [--user UID:GID[:GROUP,…]] [--umask 027] [--limit NAME=SOFT[:HARD]]… [--] command [arguments]`: takes on a user,
/// a umask and limits, and becomes the command.
enum Become {
  private struct Mistake: Error {
    let what: ByteView
    let value: ByteView
  }

  /// - Parameter arguments: what follows `become`.
  /// - Returns: the exit code when the command could not be executed: 127 when there is none, 126 otherwise.
  static func run(_ arguments: CStrings, environment: CStrings) -> UInt8 {
    var next = arguments
    var user: ByteView = ""
    do throws(Mistake) {
      options: while let argument = next[0], argument[0] == CChar(bitPattern: UInt8(ascii: "-")) {
        next += 1
        var value = ByteView(argument)
        if value == "--" { break }
        let length = value.count
        let option = value.take(before: UInt8(ascii: "="))
        if option.count == length {
          guard let following = next[0] else { throw Mistake(what: "expected a value for ", value: option) }
          next += 1
          value = ByteView(following)
        }
        switch option.position(among: "--user --umask --limit") {
        case 0: user = value
        case 1: try setUmask(value)
        case 2: try setLimit(value)
        default: throw Mistake(what: "unknown option of become: ", value: option)
        }
      }
      // Last: who has become another user could do no more of the rest.
      if !user.isEmpty { try become(user) }
    } catch {
      Diagnostics.say(error.what, error.value)
      return 126
    }
    return execute(next, environment)
  }

  private static func setUmask(_ text: ByteView) throws(Mistake) {
    var mask: UInt32 = 0
    for byte in text.buffer {
      let digit = byte &- UInt8(ascii: "0")
      guard digit <= 7, mask <= 0o77 else { throw Mistake(what: "--umask: expected an octal number up to 0777: ", value: text) }
      mask = mask << 3 | UInt32(digit)
    }
    if text.isEmpty { throw Mistake(what: "--umask: expected an octal number up to 0777", value: "") }
    lc_set_umask(mask)
  }

  private static func setLimit(_ text: ByteView) throws(Mistake) {
    var rest = text
    let resource: Int32
    switch rest.take(before: UInt8(ascii: "=")).position(among: "files processes core") {
    // RLIMIT_NOFILE, RLIMIT_NPROC and RLIMIT_CORE of asm-generic/resource.h.
    case 0: resource = 7
    case 1: resource = 6
    case 2: resource = 4
    default: throw Mistake(what: "--limit: expected files=, processes= or core=: ", value: text)
    }
    let length = rest.count
    let soft = rest.take(before: UInt8(ascii: ":"))
    guard let low = limit(soft), let high = soft.count == length ? low : limit(rest), low <= high else {
      throw Mistake(what: "--limit: expected SOFT or SOFT:HARD, numbers or infinity, SOFT no more than HARD: ", value: text)
    }
    try check(lc_set_limit(0, resource, low, high), "the limit cannot be set: ", text)
  }

  private static func limit(_ text: ByteView) -> UInt64? {
    if text == "infinity" { return .max }
    return text.number().map { UInt64($0) }
  }

  private static func become(_ text: ByteView) throws(Mistake) {
    var rest = text
    var groups: [UInt32] = []
    let user = rest.take(before: UInt8(ascii: ":")).number(limit: Int64(UInt32.max) - 1)
    let group = rest.take(before: UInt8(ascii: ":")).number(limit: Int64(UInt32.max) - 1)
    guard let user, let group else { throw Mistake(what: "--user: expected UID:GID or UID:GID:GROUP,GROUP in numbers: ", value: text) }
    while !rest.isEmpty {
      guard let more = rest.take(before: UInt8(ascii: ",")).number(limit: Int64(UInt32.max) - 1) else {
        throw Mistake(what: "--user: expected the groups in numbers, commas between them: ", value: text)
      }
      groups.append(UInt32(truncatingIfNeeded: more))
    }
    let result = groups.withUnsafeBufferPointer {
      lc_become_user(UInt32(truncatingIfNeeded: user), UInt32(truncatingIfNeeded: group), $0.baseAddress, UInt($0.count))
    }
    try check(result, "the user cannot be taken on (only root may take on another): ", text)
  }

  private static func check(_ result: Int, _ what: ByteView, _ value: ByteView) throws(Mistake) {
    guard result < 0 else { return }
    Diagnostics.say(what, value, SystemError(code: Int32(truncatingIfNeeded: 0 &- result)))
    throw Mistake(what: "nothing was started", value: "")
  }

  private static func execute(_ command: CStrings, _ environment: CStrings) -> UInt8 {
    guard let name = command[0].map({ ByteView($0) }) else {
      Diagnostics.say("expected a command to become")
      return 126
    }
    var path: ByteView = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
    var entry = environment
    while let text = entry.pointee {
      entry += 1
      var value = ByteView(text)
      if value.take("PATH=") { path = value }
    }
    do throws(SystemError) {
      let file = try Executable.find(name, path: path)
      let result = file.withCString { lc_execute($0, CStringArray.constant(command), CStringArray.constant(environment), 1) }
      throw SystemError(code: Int32(truncatingIfNeeded: 0 &- result))
    } catch {
      Diagnostics.say("cannot execute ", name, error)
      return error == .notFound ? 127 : 126
    }
  }
}
