import CLinux
import Linux
import StopPlan

// What the kernel says in /proc: the line of a process with any name and any line at all, and the entries of a directory.

func check(_ input: [UInt8]) {
  _ = input.withExactView { ProcessRecord(stat: $0, pid: 7) }
  checkName(input)
  checkEntries(input)
}

/// A program chooses its own name, and the fields after it are found all the same.
private func checkName(_ input: [UInt8]) {
  let name = input.prefix(64)
  let fields = "20 0 4 0 5119 2891776 202 18446744073709551615 1 1 0 0 0 0 65536 3686404 1266761467 0 0 0 17 1 0 0 0 0 0\n"
  let line = Array("7 (".utf8) + name + Array(") T 5 6 8 34816 6 4194304 120 430 0 1 0 0 0 3 ".utf8) + Array(fields.utf8)
  guard let record = line.withExactView({ ProcessRecord(stat: $0, pid: 7) }) else { return require(false, "the line is read") }
  require(record.identity == ProcessIdentity(pid: 7, startTime: 5119), "pid and start: \(record)")
  require(record.state == UInt8(ascii: "T") && record.threads == 4, "state and threads: \(record)")
  require(record.parent == 5 && record.group == 6 && record.session == 8, "parent, group and session: \(record)")
}

/// Entries as getdents64(2) gives them, named by the lines of the input: the numbers among them are found, and the end.
private func checkEntries(_ input: [UInt8]) {
  let names = input.parts(separatedBy: "\n").map { Array($0.prefix { $0 != 0 }.prefix(255)) }
  var entries: [UInt8] = []
  for name in names {
    // 8 bytes of inode, 8 of offset, 2 of length, 1 of type, the name with its NUL, filled up to a multiple of 8.
    let length = (19 + name.count + 1 + 7) / 8 * 8
    entries += [UInt8](repeating: 0xff, count: 16) + [UInt8(length & 255), UInt8(length >> 8), 4] + name
    entries += [UInt8](repeating: 0, count: length - 19 - name.count)
  }
  entries.withExactView { view in
    var offset = 0
    for name in names {
      let pid = lc_entry_pid(view.buffer.baseAddress, &offset)
      if name.isEmpty { continue }
      // The kernel gives out no pid above 4194304 (proc(5), pid_max), and a name with more digits must not be taken for another pid.
      let number = decimal(name, limit: Int(Int32.max)) ?? -1
      require(pid == number || (pid == -1 && number > 4_194_304), "\(name.text) is \(number), not \(pid)")
    }
    require(offset == view.count, "the entries end at \(offset)")
  }
}
