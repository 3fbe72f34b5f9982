/// Where an app's random pauses begin: apps that fail together do not come back together.
enum Seed {
  static func of(_ name: String) -> UInt64 { name.utf8.reduce(0) { $0 &* 31 &+ UInt64($1) } }
}
