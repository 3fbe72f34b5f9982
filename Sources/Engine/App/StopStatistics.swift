import Foundation
import StopPlan

extension AppDescription.Stops {
  /// What past stops tell about a grace: too short when the slowest come near it or were killed, far too long when it is never needed.
  ///
  /// - Parameters:
  ///   - stops: how long they took.
  ///   - grace: what is declared now.
  ///   - killTime: how long after its beginning a stop comes to KILL by what is declared now; nil means the grace. Those that were killed much
  ///     sooner had another grace, and say nothing of this one.
  /// - Returns: nil when there was none.
  init?(_ stops: [StopRecord], grace: TimeSpan, killTime: TimeSpan? = nil) {
    guard !stops.isEmpty else { return nil }
    let sorted = stops.map(\.seconds).sorted()
    count = sorted.count
    p50 = Self.rank(sorted, 0.5)
    p99 = Self.rank(sorted, 0.99)
    killed = stops.filter(\.wasKilled).count
    let seconds = Double(grace.nanoseconds) / 1e9
    let limit = Double((killTime ?? grace).nanoseconds) / 1e9
    let late = stops.count { $0.wasKilled && $0.seconds >= 0.9 * limit }
    if late > 0 {
      advice =
        "\(late) of \(count) stops ended by KILL: the grace of \(grace) is too short, or the program does not end by its stop signal"
    } else if p99 > seconds * 0.8 {
      advice = "stops take up to \(Self.text(p99)) of the grace of \(grace): too close; raise it to \(Self.text((p99 * 2).rounded(.up)))"
    } else if count >= 20, seconds > 10, p99 < seconds / 10 {
      advice =
        "nearly all stops end within \(Self.text(max(0.1, p99))): a grace of \(grace) only delays what hangs; \(Self.text(max(5, (p99 * 4).rounded(.up)))) would do"
    }
  }

  /// The value of that rank (nearest rank).
  private static func rank(_ sorted: [Double], _ part: Double) -> Double {
    sorted[min(sorted.count - 1, max(0, Int((Double(sorted.count) * part).rounded(.up)) - 1))]
  }

  private static func text(_ seconds: Double) -> String {
    seconds == seconds.rounded() ? "\(Int(seconds)) s" : String(format: "%.1f s", seconds)
  }
}
