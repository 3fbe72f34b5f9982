#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// What the system says about an errno value.
enum SystemError {
  static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}

extension SystemError {
  static var invalid: Int32 { EINVAL }
}
