import StopPlan

// Lengths of time: the same as exact arithmetic says, within bounds, and written so that they read back.

func check(_ input: [UInt8]) {
  let span = read(input)
  require(
    span?.nanoseconds == exact(input), "\(input.text) is \(exact(input).map(String.init) ?? "no length"), not \(String(describing: span))")
  guard let span else { return }
  require(span >= .zero && span <= .longest, "\(span) is within bounds")
  var written: [UInt8] = []
  span.append(to: &written)
  require(read(written) == span, "\(written.text) reads back")
}

private func read(_ text: [UInt8]) -> TimeSpan? { text.withExactView { TimeSpan(text: $0) } }

/// The length in nanoseconds by another way, with integers that cannot overflow: numbers and units, fractions cut off below a nanosecond.
private func exact(_ text: [UInt8]) -> Int64? {
  let units: [String: Int128] = [
    "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000, "d": 86_400_000_000_000,
  ]
  var total: Int128 = 0
  var rest = text[...]
  repeat {
    let number = rest.prefix { $0 == UInt8(ascii: ".") || ($0 >= 48 && $0 <= 57) }
    let unit = rest.dropFirst(number.count).prefix { ($0 >= 65 && $0 <= 90) || ($0 >= 97 && $0 <= 122) }
    rest = rest.dropFirst(number.count + unit.count)
    let isAlone = number.count == text.count
    guard let scale = isAlone ? units["s"] : units[Array(unit).text] else { return nil }
    let digits = Array(number).parts(separatedBy: ".")
    guard digits.count <= 2, digits.contains(where: { !$0.isEmpty }) else { return nil }
    let fraction = digits.count == 2 ? digits[1] : []
    // Ten years in microseconds have 15 digits.
    let whole = digits[0].drop { $0 == 48 }
    guard fraction.count <= 9, whole.count <= 15 else { return nil }
    let padded = Array(whole) + fraction + [UInt8](repeating: 48, count: 9 - fraction.count)
    guard let billionths = Int128(padded.text) else { return nil }
    total += billionths * scale / 1_000_000_000
  } while !rest.isEmpty
  return total <= Int128(TimeSpan.longest.nanoseconds) ? Int64(total) : nil
}
