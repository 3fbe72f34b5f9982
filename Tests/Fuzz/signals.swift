import Linux
import StopPlan

@testable import Keeper

// Signals by name and number, and -r: names read back in every form, and a rewrite says of each signal what its parts say.

func check(_ input: [UInt8]) {
  if let signal = read(input) {
    require((1...64).contains(signal.number), "\(input.text) is a signal's number")
    var name: [UInt8] = []
    signal.appendName(to: &name)
    require(read(name) == signal, "\(name.text) reads back")
    require(read(input.map { (97...122).contains($0) ? $0 - 32 : $0 }) == signal, "\(input.text) is the same in capitals")
    require(read(input.map { (65...90).contains($0) ? $0 + 32 : $0 }) == signal, "\(input.text) is the same in small letters")
    let isNumber = input.allSatisfy { (48...57).contains($0) }
    let hasPrefix = Array(input.prefix(3)).text.uppercased() == "SIG"
    if !hasPrefix {
      require(read(Array("SIG".utf8) + input) == (isNumber ? nil : signal), "SIG\(input.text) is the same, or none for a number")
    }
    for byte in [0, 32, UInt8(ascii: "!")] { require(read(input + [byte]) == nil, "\(input.text) and byte \(byte) is no signal") }
  }
  checkRewrite(input)
}

private func read(_ text: [UInt8]) -> Signal? { text.withExactView { Signal(text: $0) } }

private func checkRewrite(_ input: [UInt8]) {
  // An argument ends at its first NUL.
  let input = Array(input.prefix { $0 != 0 })
  let arguments = CStringArray([Array("init".utf8), Array("-r".utf8), input, Array("true".utf8)])
  let environment = CStringArray([])
  var parser = OptionParser(arguments.pointer)
  defer { release(parser.options) }
  let isRead: Bool
  do throws(OptionParser.Mistake) {
    try parser.read(environment: environment.pointer)
    isRead = true
  } catch {
    isRead = false
  }
  guard let expected = rewrites(input) else { return require(!isRead, "-r \(input.text) is refused") }
  require(isRead, "-r \(input.text) is read")
  for number in Int32(1)...64 {
    guard let signal = Signal(number: number) else { continue }
    require(parser.options.rewrite.apply(to: signal) == expected[Int(number) - 1], "\(input.text) makes \(signal) what it says")
  }
}

/// What each signal becomes by `A:B` with commas between them, or nil when it is something else.
private func rewrites(_ text: [UInt8]) -> [Signal?]? {
  var table = (1...64).map { Signal(number: $0) }
  var parts = text.parts(separatedBy: ",")
  if parts.count > 1, parts.last == [] { parts.removeLast() }
  for part in parts {
    guard let colon = part.firstIndex(of: UInt8(ascii: ":")) else { return nil }
    let target = Array(part[(colon + 1)...])
    guard let signal = read(Array(part[..<colon])), signal.canBeCaught, signal != .chld else { return nil }
    let replacement = read(target)
    guard replacement != nil || target.text == "0" || target.text == "ignore" else { return nil }
    table[Int(signal.number) - 1] = replacement
  }
  return table
}
