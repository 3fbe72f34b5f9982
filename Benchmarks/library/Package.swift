// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "library-benchmarks",
  dependencies: [.package(name: "lastcall", path: "../..", traits: [])],
  targets: [
    .target(name: "CAllocations"),
    .executableTarget(name: "track", dependencies: ["CAllocations", .product(name: "LastCall", package: "lastcall")]),
  ],
  swiftLanguageModes: [.v6]
)
