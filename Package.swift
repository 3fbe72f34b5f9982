// swift-tools-version: 6.2
import PackageDescription

/// CI treats warnings as errors; a newer compiler's new warning must not break a user's build.
let strict: [SwiftSetting] =
  Context.environment["CI"] == nil
  ? [] : [.treatAllWarnings(as: .error)]

let package = Package(
  name: "lastcall",
  products: [

    .executable(name: "lastcall-init", targets: ["lastcall-init"])
  ],
  targets: [
    // Ring 0: values and state machines. No Foundation, no I/O, no clock; compiles in Embedded Swift.
    .target(name: "StopPlan", swiftSettings: strict),

    // Ring 1: Linux. Embedded-clean.
    .target(name: "CLinux"),
    .target(name: "Linux", dependencies: ["StopPlan", "CLinux"], swiftSettings: strict),
    .target(name: "Keeper", dependencies: ["StopPlan", "Linux", "CLinux"], swiftSettings: strict),
    .executableTarget(name: "lastcall-init", dependencies: ["Keeper"], path: "Sources/Init", swiftSettings: strict),

    .testTarget(name: "StopPlanTests", dependencies: ["StopPlan"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
