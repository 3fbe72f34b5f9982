// swift-tools-version: 6.2
import PackageDescription

/// CI treats warnings as errors; a newer compiler's new warning must not break a user's build.
let strict: [SwiftSetting] =
  Context.environment["CI"] == nil
  ? [] : [.treatAllWarnings(as: .error)]

let package = Package(
  name: "lastcall",
  products: [
    .library(name: "LastCall", targets: ["LastCall"]),
    .library(name: "LastCallGRPC", targets: ["LastCallGRPC"]),
    .library(name: "LastCallTracing", targets: ["LastCallTracing"]),
    .library(name: "LastCallTestKit", targets: ["LastCallTestKit"]),
    .executable(name: "lastcall", targets: ["CommandLineTool"]),
    .executable(name: "lastcall-init", targets: ["lastcall-init"]),
    .executable(name: "lastcall-keeper", targets: ["lastcall-keeper"]),
    .library(name: "LastCallHTTP", targets: ["LastCallHTTP"]),
    .library(name: "LastCallHummingbird", targets: ["LastCallHummingbird"]),
  ],
  // A package that uses the library alone says `traits: []` and resolves nothing of what only the tools or an adapter need.
  traits: [
    .trait(name: "Tools", description: "The programs lastcall, lastcall-init and lastcall-keeper."),
    .trait(name: "HTTP", description: "The product LastCallHTTP, for SwiftNIO servers."),
    .trait(name: "Hummingbird", description: "The product LastCallHummingbird.", enabledTraits: ["HTTP"]),
    .trait(name: "GRPC", description: "The product LastCallGRPC."),
    .trait(name: "Tracing", description: "The product LastCallTracing."),
    .default(enabledTraits: ["Tools", "Hummingbird", "GRPC", "Tracing"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.0"),
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.0"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
    .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.0"),
  ],
  targets: [
    // Ring 0: values and state machines. No Foundation, no I/O, no clock; compiles in Embedded Swift.
    .target(name: "StopPlan", swiftSettings: strict),

    // Ring 1: Linux. Embedded-clean.
    .target(name: "CLinux"),
    .target(name: "Linux", dependencies: ["StopPlan", "CLinux"], swiftSettings: strict),
    .target(name: "Keeper", dependencies: ["StopPlan", "Linux", "CLinux"], swiftSettings: strict),
    .executableTarget(name: "lastcall-init", dependencies: ["Keeper"], path: "Sources/Init", swiftSettings: strict),
    .executableTarget(name: "lastcall-keeper", dependencies: ["Keeper"], path: "Sources/ReplicaKeeper", swiftSettings: strict),

    .target(name: "CListener"),

    // Ring 2: full Swift.
    .target(
      name: "AppSpec", dependencies: ["StopPlan", .product(name: "Yams", package: "Yams", condition: .when(traits: ["Tools"]))],
      swiftSettings: strict),
    .target(name: "Rollout", dependencies: ["StopPlan"], swiftSettings: strict),
    .target(
      name: "Ingress",
      dependencies: [.product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio")],
      swiftSettings: strict),
    .target(
      name: "Engine",
      dependencies: [
        "StopPlan", "Linux", "AppSpec", "Rollout", "Ingress", "CListener",
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "GRDB", package: "GRDB.swift", condition: .when(traits: ["Tools"])),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "CommandLineTool",
      dependencies: [
        "StopPlan", "Linux", "AppSpec", "Engine", "Ingress",
        .product(name: "ArgumentParser", package: "swift-argument-parser", condition: .when(traits: ["Tools"])),
      ],
      swiftSettings: strict),

    // The library for Swift servers: of the rings above it knows ring 0 only.
    .target(name: "CSignals"),
    .target(
      name: "LastCall",
      dependencies: [
        "StopPlan", "CSignals",
        .product(name: "Logging", package: "swift-log"), .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),

    // Adapters: the library and one foreign package each.
    .target(
      name: "LastCallGRPC",
      dependencies: [
        "LastCall", .product(name: "GRPCCore", package: "grpc-swift-2", condition: .when(traits: ["GRPC"])),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .target(
      name: "LastCallTracing",
      dependencies: [
        "LastCall", .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "Tracing", package: "swift-distributed-tracing", condition: .when(traits: ["Tracing"])),
      ],
      swiftSettings: strict),

    .target(
      name: "LastCallTestKit",
      dependencies: [
        "LastCall", .product(name: "Logging", package: "swift-log"), .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
      ],
      swiftSettings: strict),

    // The library: adapters for servers.
    .target(
      name: "LastCallHTTP",
      dependencies: [
        "LastCall", .target(name: "CListener", condition: .when(platforms: [.linux])),
        .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["HTTP"])),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"), .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHTTP2", package: "swift-nio-http2", condition: .when(traits: ["HTTP"])),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: .when(traits: ["HTTP"])),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .target(
      name: "LastCallHummingbird",
      dependencies: [
        "LastCallHTTP",
        .product(name: "Hummingbird", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
        .product(name: "HummingbirdCore", package: "hummingbird", condition: .when(traits: ["Hummingbird"])),
        .product(name: "HTTPTypes", package: "swift-http-types", condition: .when(traits: ["Hummingbird"])),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHTTP2", package: "swift-nio-http2", condition: .when(traits: ["Hummingbird"])),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras", condition: .when(traits: ["Hummingbird"])),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras", condition: .when(traits: ["Hummingbird"])),
        .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras", condition: .when(traits: ["Hummingbird"])),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),

    // Examples.
    .target(
      name: "HelloRoutes",
      dependencies: [.product(name: "Hummingbird", package: "hummingbird"), .product(name: "HTTPTypes", package: "swift-http-types")],
      path: "Examples/hello/Sources/HelloRoutes", swiftSettings: strict),
    .executableTarget(
      name: "plain", dependencies: ["HelloRoutes", .product(name: "Hummingbird", package: "hummingbird")],
      path: "Examples/plain/Sources/plain", swiftSettings: strict),
    .executableTarget(
      name: "hello",
      dependencies: [
        "HelloRoutes", "LastCall", "LastCallHTTP", "LastCallHummingbird", .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HTTPTypes", package: "swift-http-types"), .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Examples/hello/Sources/hello", swiftSettings: strict),

    // The tests' own load: a client that classes every failure.
    .target(name: "Load", dependencies: ["Seeded"], path: "Tests/Load", swiftSettings: strict),
    // A client that says exactly what a test wants, byte by byte.
    .target(name: "Wire", path: "Tests/Wire", swiftSettings: strict),
    // Random numbers that a seed replays.
    .target(name: "Seeded", path: "Tests/Seeded", swiftSettings: strict),
    .executableTarget(name: "LoadClient", dependencies: ["Load"], path: "Tests/LoadClient", swiftSettings: strict),

    // Go's os/signal tests, each in a process of its own.
    .executableTarget(
      name: "SignalCases",
      dependencies: [
        "LastCall", .product(name: "NIOConcurrencyHelpers", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
      ],
      path: "Tests/SignalCases", swiftSettings: strict),

    // The code of the articles.
    .testTarget(
      name: "DocExamples",
      dependencies: [
        "LastCall", "LastCallTestKit", "LastCallHTTP", "LastCallHummingbird", "LastCallGRPC", "LastCallTracing",
        .product(name: "GRPCCore", package: "grpc-swift-2", condition: .when(traits: ["GRPC"])),
        .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport", condition: .when(traits: ["GRPC"])),
        .product(name: "Tracing", package: "swift-distributed-tracing", condition: .when(traits: ["Tracing"])),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"), .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Tests/DocExamples", swiftSettings: strict),

    // Programs that stop, for tests that stop them.
    .executableTarget(
      name: "StopCases",
      dependencies: [
        "LastCall", .product(name: "Logging", package: "swift-log"), .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      path: "Tests/StopCases", swiftSettings: strict),

    .testTarget(
      name: "LastCallTests",
      dependencies: [
        "LastCall", "LastCallTestKit", "SignalCases", "StopCases", "Seeded",
        .product(name: "Metrics", package: "swift-metrics"), .product(name: "MetricsTestKit", package: "swift-metrics"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "LastCallGRPCTests",
      dependencies: [
        "LastCallGRPC", "LastCallTestKit", .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
        .product(name: "GRPCCore", package: "grpc-swift-2", condition: .when(traits: ["GRPC"])),
        .product(name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport", condition: .when(traits: ["GRPC"])),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "LastCallTracingTests",
      dependencies: [
        "LastCallTracing", "LastCallTestKit",
        .product(name: "InMemoryTracing", package: "swift-distributed-tracing", condition: .when(traits: ["Tracing"])),
        .product(name: "Tracing", package: "swift-distributed-tracing", condition: .when(traits: ["Tracing"])),
      ],
      swiftSettings: strict),
    .testTarget(name: "StopPlanTests", dependencies: ["StopPlan", "Seeded"], swiftSettings: strict),
    .testTarget(name: "AppSpecTests", dependencies: ["AppSpec", "StopPlan", "Seeded"], swiftSettings: strict),
    .testTarget(name: "RolloutTests", dependencies: ["Rollout", "StopPlan", "Seeded"], swiftSettings: strict),
    .testTarget(name: "EngineTests", dependencies: ["Engine"], swiftSettings: strict),
    .testTarget(name: "LoadTests", dependencies: ["Load", "LoadClient", "Seeded"], swiftSettings: strict),
    .testTarget(
      name: "LastCallHTTPTests",
      dependencies: [
        "LastCallHTTP", "Seeded", "Wire", .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "NIOEmbedded", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHPACK", package: "swift-nio-http2"), .product(name: "NIOHTTP2", package: "swift-nio-http2"),
      ], swiftSettings: strict),
    .testTarget(
      name: "LastCallHummingbirdTests",
      dependencies: [
        "LastCallHTTP", "LastCallHummingbird", "Wire", .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "IngressTests",
      dependencies: [
        "Ingress", "Seeded", "Wire", .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SystemTests",
      dependencies: ["StopPlan", "CLinux", "Linux", "Load", "CommandLineTool", "lastcall-init", "hello", "LoadClient", "SignalCases"],
      swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6]
)
