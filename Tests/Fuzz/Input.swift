import Glibc
import Linux
import StopPlan

// What all targets share. `check` is each target's own.

/// What libFuzzer calls with each input (LLVM, "libFuzzer", Fuzz Target).
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  check(Array(UnsafeBufferPointer(start: start, count: count)))
  return 0
}

/// Ends the run when a property does not hold; libFuzzer then keeps the input.
func require(_ holds: Bool, _ property: @autoclosure () -> String) {
  if holds { return }
  try? Descriptor.error.write(Array("does not hold: \(property())\n".utf8))
  abort()
}

extension Array where Element == UInt8 {
  /// Lets `body` look at a copy that ends where its memory does, so that AddressSanitizer sees a read beyond it.
  func withExactView<Result>(_ body: (ByteView) -> Result) -> Result {
    // The byte before gives an empty copy an end too.
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: count + 1)
    defer { memory.deallocate() }
    for index in indices { memory[index + 1] = self[index] }
    return body(ByteView(start: memory + 1, count: count))
  }

  /// The parts that such bytes separate, empty ones too.
  func parts(separatedBy separator: Character) -> [[UInt8]] {
    split(omittingEmptySubsequences: false) { $0 == separator.asciiValue }.map(Array.init)
  }

  /// The bytes as text, for a message.
  var text: String { String(decoding: self, as: UTF8.self) }
}

extension ByteView {
  /// The bytes; all of them are read.
  var bytes: [UInt8] { Array(buffer) }
}

/// The number that decimal digits spell, when it is at most `limit`: by the standard library, to compare with ours.
func decimal(_ text: [UInt8], limit: Int) -> Int? {
  guard !text.isEmpty, text.allSatisfy({ $0 >= 48 && $0 <= 57 }) else { return nil }
  let digits = text.drop { $0 == 48 }
  guard digits.count <= 18, let number = Int(String(decoding: digits.isEmpty ? [48] : digits, as: UTF8.self)), number <= limit else {
    return nil
  }
  return number
}

/// Gives back what an option parser's result has to its end: a keeper has one of it, and here are millions.
func release(_ options: AnyObject) {
  for field in Mirror(reflecting: options).children where field.label == "sidecars" {
    (field.value as? UnsafeMutablePointer<ByteView>)?.deallocate()
  }
}
