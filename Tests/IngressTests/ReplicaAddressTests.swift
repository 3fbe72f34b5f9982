import Testing

@testable import Ingress

@Suite struct ReplicaAddressTests {
  @Test func texts() {
    #expect(ReplicaAddress("127.0.0.1:80") == .inet(host: "127.0.0.1", port: 80))
    #expect(ReplicaAddress("[::1]:8080") == .inet(host: "::1", port: 8080))
    #expect(ReplicaAddress("/run/a.sock") == .unix(path: "/run/a.sock"))
    #expect(ReplicaAddress("unix:/run/a.sock") == .unix(path: "/run/a.sock"))
    for text in [
      "", ":80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "::1:80", "[::1]", "[127.0.0.1]:80", "unix:a",
      "/" + String(repeating: "x", count: 107),
    ] {
      #expect(ReplicaAddress(text) == nil, "\(text)")
    }
    for text in ["127.0.0.1:80", "[::1]:8080", "/run/a.sock"] { #expect(ReplicaAddress(text)?.description == text) }
  }
}
