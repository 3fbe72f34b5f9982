import Foundation
import Linux
import Testing

@Suite struct ProgramInheritanceTests {
  /// What the program finds open: number and file.
  private func open(in pid: Int32) throws -> [Int: String] {
    let directory = "/proc/\(pid)/fd"
    var found: [Int: String] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
      found[try #require(Int(name))] = try FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(name)")
    }
    return found
  }

  /// A program that says a word once nothing of its own start is open any more, and waits.
  private func waiter(_ placed: [Descriptor], _ null: Descriptor, output: Descriptor? = nil) -> Program {
    let words = ["sh", "-c", "echo started; kill -STOP $$"]
    var program = Program(executable: Path(string: "/bin/sh"), arguments: words.map { Array($0.utf8) }, environment: [])
    program.placed = placed
    program.inheritsOnlyNamed = true
    (program.input, program.output, program.error) = (null, output ?? null, null)
    return program
  }

  private func end(_ pid: Int32) {
    kill(pid, SIGKILL)
    waitpid(pid, nil, 0)
  }

  @Test(arguments: [4, 8, 0])
  func onlyWhatIsNamedIsInheritedWithAndWithoutLowNumbers(numbers: Int) throws {
    let low = try LowDescriptors(count: numbers)
    let null = try Path("/dev/null").open(O_RDWR)
    let file = "/tmp/lastcall-inheritance-\(getpid())-\(numbers)"
    let locked = try Path(string: file).open(O_RDWR | O_CREAT)
    defer { unlink(file) }
    #expect(try locked.lock())
    // Far above the low ones, and without the flag that would close it at the exec.
    let stray = try null.duplicate(above: 900)
    try stray.setCloseOnExec(false)
    defer { stray.close() }

    let output = Pipe()
    let writer = Descriptor(number: output.fileHandleForWriting.fileDescriptor)
    let pid = try waiter([locked, null], null, output: writer).start(through: low)
    #expect(output.fileHandleForReading.availableData == Data("started\n".utf8))
    var found = try open(in: pid)
    #expect(found.removeValue(forKey: 1)?.hasPrefix("pipe:") == true)
    #expect(found == [0: "/dev/null", 2: "/dev/null", 3: file, 4: "/dev/null"])
    // The lock is the program's alone: what was lent for its start is given back.
    locked.close()
    let again = try Path(string: file).open(O_RDWR)
    #expect(try !again.lock())
    end(pid)
    #expect(try again.lock())
    again.close()
    null.close()
  }

  @Test func whatCannotBeInheritedStartsNothingAndKeepsNothing() throws {
    let low = try LowDescriptors(count: 8)
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    let file = "/tmp/lastcall-inheritance-\(getpid())-bad"
    let locked = try Path(string: file).open(O_RDWR | O_CREAT)
    defer { unlink(file) }
    #expect(try locked.lock())
    #expect(throws: StartError.noProcess(SystemError(code: EBADF))) {
      try waiter([locked, Descriptor(number: 987_654)], null).start(through: low)
    }
    locked.close()
    let again = try Path(string: file).open(O_RDWR)
    #expect(try again.lock())
    again.close()
  }

  @Test func aProgramThatIsNotThereIsSaidThroughLowNumbersToo() throws {
    let low = try LowDescriptors(count: 8)
    let null = try Path("/dev/null").open(O_RDWR)
    defer { null.close() }
    var program = waiter([], null)
    program.executable = Path(string: "/nonexistent/program")
    #expect(throws: StartError.notExecuted(SystemError(code: ENOENT))) { try program.start(through: low) }
  }
}
