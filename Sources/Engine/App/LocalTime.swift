import Foundation
import Linux
import Rollout

extension WallTime {
  /// What the wall clock shows.
  static var now: WallTime { WallTime(seconds: Clock.wall / 1_000_000_000) }

  /// For people, in local time: `2026-11-30 05:00`.
  var text: String {
    let civil = CivilTime(
      shown: seconds + Int64(TimeZone.autoupdatingCurrent.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))))
    return String(format: "%04d-%02d-%02d %02d:%02d", civil.year, civil.month, civil.day, civil.hour, civil.minute)
  }
}

extension CivilZone {
  /// That of this machine: `TZ`, else /etc/localtime.
  static let local = CivilZone { TimeZone.autoupdatingCurrent.secondsFromGMT(for: Date(timeIntervalSince1970: Double($0.seconds))) }
}
