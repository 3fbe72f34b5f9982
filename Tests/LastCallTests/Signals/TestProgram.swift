import Foundation

/// The programs that are built beside the tests.
enum TestProgram {
  static var runsUnderThreadSanitizer: Bool { dlsym(nil, "__tsan_init") != nil }

  static func path(_ name: String) throws -> String {
    let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(name).path
  }
}
