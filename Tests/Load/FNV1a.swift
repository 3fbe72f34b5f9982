/// The 64-bit FNV-1a hash, taken piece by piece.
///
/// It detects bodies that were cut, mixed up or damaged; it is no protection against an adversary.
/// Constants: RFC 9923 (The FNV Non-Cryptographic Hash Algorithm), 64-bit prime and offset basis.
public struct FNV1a: Sendable, Equatable {
  /// The hash of everything taken in so far; of nothing at all it is the offset basis.
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  /// A hash of nothing yet.
  public init() {}

  /// Takes in the bytes that follow those before.
  public mutating func combine(_ bytes: some Sequence<UInt8>) {
    var hash = value
    let done: Void? = bytes.withContiguousStorageIfAvailable { buffer in
      for byte in buffer { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    if done == nil {
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    value = hash
  }

  /// The hash as 16 lower-case hexadecimal digits.
  public var hex: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
