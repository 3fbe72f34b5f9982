import Foundation

extension User {
  /// The numbers of a user on this machine.
  public struct Identity: Equatable, Sendable {
    /// The user's number.
    public var user: UInt32
    /// The group's number.
    public var group: UInt32
    /// All groups that the user is in, `group` among them (getgrouplist(3)); only `group` for a user without an entry in passwd(5).
    public var groups: [UInt32]
    /// The user's name and home, when there is an entry.
    public var name: String?
    /// The user's home, when there is an entry.
    public var home: String?
  }

  /// Why there is no such user.
  public enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
    /// No user of that name.
    case noUser(String)
    /// No group of that name.
    case noGroup(String)
    /// A number without an entry in passwd(5) says no group.
    case noOwnGroup(String)

    /// What happened and what to do.
    public var description: String {
      switch self {
      case .noUser(let name): "there is no user \(shown(name)) on this machine; add it with useradd, or name another"
      case .noGroup(let name): "there is no group \(shown(name)) on this machine; add it with groupadd, or name another"
      case .noOwnGroup(let name): "the user \(name) has no entry in /etc/passwd and so no group; write one, as in \(name):\(name)"
      }
    }
  }

  /// The numbers on this machine.
  public func identity() throws(Problem) -> Identity {
    let number = Self.number(name)
    let account = Account(name: name, number: number)
    guard let user = account?.user ?? number else { throw .noUser(name) }
    var own = account?.group
    if let group {
      guard let number = Self.number(group) ?? groupNumber(named: group) else { throw .noGroup(group) }
      own = number
    }
    guard let own else { throw .noOwnGroup(name) }
    let groups = account.map { groupNumbers(of: $0.name, own) } ?? [own]
    return Identity(user: user, group: own, groups: groups, name: account?.name, home: account?.home)
  }
}

/// An entry of passwd(5).
private struct Account {
  var user: UInt32
  var group: UInt32
  var name: String
  var home: String

  init?(name: String, number: UInt32?) {
    var entry = passwd()
    let found: Account? = withGrowingBuffer { buffer, size in
      var result: UnsafeMutablePointer<passwd>?
      let code = number.map { getpwuid_r($0, &entry, buffer, size, &result) } ?? getpwnam_r(name, &entry, buffer, size, &result)
      return (code, result.map { Account($0.pointee) })
    }
    guard let found else { return nil }
    self = found
  }

  private init(_ entry: passwd) {
    (user, group, name, home) = (entry.pw_uid, entry.pw_gid, String(cString: entry.pw_name), String(cString: entry.pw_dir))
  }
}

private func groupNumber(named name: String) -> UInt32? {
  var entry = group()
  return withGrowingBuffer { buffer, size in
    var result: UnsafeMutablePointer<group>?
    let code = getgrnam_r(name, &entry, buffer, size, &result)
    return (code, result?.pointee.gr_gid)
  }
}

private func groupNumbers(of name: String, _ own: UInt32) -> [UInt32] {
  var capacity: Int32 = 32
  while capacity <= 65_536 {
    var groups = [gid_t](repeating: 0, count: Int(capacity))
    var count = capacity
    if getgrouplist(name, own, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
    capacity = max(count, capacity * 2)
  }
  return [own]
}

/// The result of a call that says ERANGE while its buffer is too small, as getpwnam_r(3) does.
private func withGrowingBuffer<Value>(_ body: (UnsafeMutablePointer<CChar>, Int) -> (code: Int32, value: Value?)) -> Value? {
  var size = 1024
  while size <= 1 << 20 {
    let (code, value) = withUnsafeTemporaryAllocation(of: CChar.self, capacity: size) { buffer in
      buffer.baseAddress.map { body($0, size) } ?? (EINVAL, nil)
    }
    guard code == ERANGE else { return code == 0 ? value : nil }
    size *= 2
  }
  return nil
}
