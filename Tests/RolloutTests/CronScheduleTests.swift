import Rollout
import Seeded
import Testing

/// Central European time in 2026: put forward on 29 March at 2:00 to 3:00, back on 25 October at 3:00 to 2:00.
let berlin = CivilZone { moment in
  (1_774_746_000..<1_792_890_000).contains(moment.seconds) ? 7_200 : 3_600
}

@Suite struct CronScheduleTests {
  private func utc(_ year: Int, _ month: Int, _ day: Int, _ hour: Int = 0, _ minute: Int = 0) -> WallTime {
    WallTime(seconds: CivilTime(year, month, day, hour, minute).shown)
  }

  /// The next times in UTC, as "M-D h:m".
  private func times(_ text: String, from: WallTime, _ count: Int, in zone: CivilZone = .utc) throws -> [String] {
    let schedule = try CronSchedule(text)
    var moment = from
    return (0..<count).map { _ in
      moment = schedule.next(after: moment, in: zone) ?? moment
      let civil = CivilTime(shown: moment.seconds)
      return "\(civil.month)-\(civil.day) \(civil.hour):\(civil.minute)"
    }
  }

  @Test func civilTimesAreThoseOfTheCalendar() {
    #expect(CivilTime(1970, 1, 1).shown == 0)
    #expect(CivilTime(2026, 11, 22, 13, 45).shown == 1_795_355_100)
    #expect(CivilTime(2026, 11, 22).weekday == 0)
    #expect(CivilTime(2024, 2, 29).weekday == 4)
    for days in stride(from: Int64(-800_000), to: 800_000, by: 97) {
      let civil = CivilTime(shown: days * 86_400 + 3_600)
      #expect(civil.shown == days * 86_400 + 3_600 && civil.hour == 1)
      #expect(civil.weekday == Int(((days + 4) % 7 + 7) % 7))
    }
  }

  @Test func fieldsMeanWhatCrontabSays() throws {
    let from = utc(2026, 1, 1)
    #expect(try times("*/20 6-7 * * *", from: from, 4) == ["1-1 6:0", "1-1 6:20", "1-1 6:40", "1-1 7:0"])
    #expect(try times("5,50 0 * * *", from: from, 3) == ["1-1 0:5", "1-1 0:50", "1-2 0:5"])
    #expect(try times("0 9-17/4 * * Mon-Fri", from: utc(2026, 1, 2, 12), 3) == ["1-2 13:0", "1-2 17:0", "1-5 9:0"])
    #expect(try times("0 0 * FEB sun", from: from, 2) == ["2-1 0:0", "2-8 0:0"])
    #expect(try times("0 0 * * 7", from: from, 1) == times("0 0 * * 0", from: from, 1))
    #expect(try times("0 0 * * sat-sun", from: from, 2) == ["1-3 0:0", "1-4 0:0"])
    #expect(try times("0 0 29 2 *", from: from, 1) == ["2-29 0:0"])
    #expect(try CronSchedule("0 0 29 2 */7").next(after: CivilTime(2026, 1, 1)) == CivilTime(2032, 2, 29))
    #expect(try times("@hourly", from: from, 2) == ["1-1 1:0", "1-1 2:0"])
    #expect(try times("@weekly", from: from, 1) == ["1-4 0:0"])
    #expect(try times("@yearly", from: from, 1) == ["1-1 0:0"])
    #expect(try times("@Monthly", from: from, 1) == ["2-1 0:0"])
  }

  @Test func eitherDayWillDoUnlessOneBeginsWithAStar() throws {
    let from = utc(2026, 1, 1)
    #expect(try times("30 4 1,15 * 5", from: from, 4) == ["1-1 4:30", "1-2 4:30", "1-9 4:30", "1-15 4:30"])
    #expect(try times("30 4 * * 5", from: from, 2) == ["1-2 4:30", "1-9 4:30"])
    // An odd day of the month that is a Friday.
    #expect(try times("0 0 */2 * 5", from: from, 3) == ["1-9 0:0", "1-23 0:0", "2-13 0:0"])
  }

  @Test func mistakesAreNamed() {
    let cases: [(String, String)] = [
      ("", "a schedule has 5 fields: minute, hour, day of the month, month, day of the week; \"\" has 0"),
      ("60 * * * *", "minute: \"60\" is not a number of 0 to 59"),
      ("* 24 * * *", "hour: \"24\" is not a number of 0 to 23"),
      ("* * 0 * *", "day of the month: \"0\" is not a number of 1 to 31"),
      ("* * * foo *", "month: \"foo\" is not a number of 1 to 12, or a name such as jan"),
      ("* * * * 8", "day of the week: \"8\" is not a number of 0 to 7, or a name such as mon"),
      ("5/10 * * * *", "minute: a step needs a range: 5-59/10"),
      ("*/0 * * * *", "minute: \"*/0\" has no step of 1 or more behind its /"),
      ("5-1 * * * *", "minute: \"5-1\" ends before it begins; write two ranges"),
      ("1-2-3 * * * *", "minute: \"1-2-3\" is not a range such as 1-5"),
      ("1,,2 * * * *", "minute: \"\" is not a number of 0 to 59"),
      ("0 0 30 2 *", "\"0 0 30 2 *\" never comes: no such month has that day"),
      ("@reboot", "@reboot is not a schedule; known are @hourly, @daily, @weekly, @monthly and @yearly"),
      ("0 0 * * * root", "a schedule has 5 fields: minute, hour, day of the month, month, day of the week; \"0 0 * * * root\" has 6"),
    ]
    for (text, message) in cases {
      #expect(throws: CronSchedule.Mistake.self, "\(text)") { try CronSchedule(text) }
      do { _ = try CronSchedule(text) } catch { #expect(error.description == message) }
    }
  }

  /// Clocks show 2:00 to 2:59 not at all on 29 March (1:00 UTC is 3:00).
  @Test func aTimeThatIsLeftOutComesAtTheFirstMomentAfter() throws {
    let from = utc(2026, 3, 28, 12)
    #expect(try times("30 2 * * *", from: from, 2, in: berlin) == ["3-29 1:0", "3-30 0:30"])
    #expect(try times("*/20 2 * * *", from: from, 2, in: berlin) == ["3-29 1:0", "3-30 0:0"])
    #expect(try times("0 2,3 * * *", from: from, 2, in: berlin) == ["3-29 1:0", "3-30 0:0"])
    // What comes in every hour is not made up for: 0:30, 1:30, 3:30 on the clock.
    #expect(try times("30 * * * *", from: utc(2026, 3, 28, 23), 3, in: berlin) == ["3-28 23:30", "3-29 0:30", "3-29 1:30"])
  }

  /// Clocks show 2:00 to 2:59 twice on 25 October (0:00 to 0:59 and 1:00 to 1:59 UTC).
  @Test func aTimeThatComesTwiceRunsOnce() throws {
    let from = utc(2026, 10, 24, 12)
    #expect(try times("30 2 * * *", from: from, 2, in: berlin) == ["10-25 0:30", "10-26 1:30"])
    #expect(try times("30 2 * * *", from: utc(2026, 10, 25, 1, 10), 1, in: berlin) == ["10-26 1:30"])
    #expect(try times("30 * * * *", from: utc(2026, 10, 24, 23, 45), 3, in: berlin) == ["10-25 0:30", "10-25 1:30", "10-25 2:30"])
  }

  /// Samoa left out 30 December 2011 (UTC-10 to UTC+14); Lord Howe moves by half an hour.
  @Test func whateverAGovernmentDoesToClocks() throws {
    let samoa = CivilZone { $0.seconds < 1_325_239_200 ? -36_000 : 50_400 }
    #expect(try times("0 12 * * *", from: utc(2011, 12, 29, 12), 3, in: samoa) == ["12-29 22:0", "12-30 10:0", "12-30 22:0"])
    let half = CivilZone { $0.seconds < 1_000_000 ? 39_600 : 37_800 }
    for text in ["15 * * * *", "15 0 * * *", "*/7 3-5 * * *", "@daily"] {
      var moment = WallTime(seconds: 1_000_000 - 200_000)
      for _ in 0..<60 {
        guard let next = try CronSchedule(text).next(after: moment, in: half) else { return #expect(Bool(false)) }
        #expect(next > moment)
        moment = next
      }
    }
  }

  /// Any schedule against looking at every minute.
  @Test func theNextIsTheFirstMinuteThatMatches() throws {
    for seed in UInt64(0)..<150 {
      var random = SeededRandom(seed: seed)
      func list(_ range: ClosedRange<Int>, _ star: Int) -> (String, Set<Int>) {
        if random.chance(star) { return ("*", Set(0...59)) }
        let values = Set((0..<random.int(1...4)).map { _ in random.int(range) })
        return (values.map(String.init).joined(separator: ","), values)
      }
      let (minutes, hours) = (list(0...59, 20), list(0...23, 40))
      let (days, months, weekdays) = (list(1...28, 50), list(1...12, 60), list(0...6, 50))
      let schedule = try CronSchedule([minutes, hours, days, months, weekdays].map(\.0).joined(separator: " "))
      let isBoth = days.0 == "*" || weekdays.0 == "*"
      let start = Int64(random.int(20_000...30_000)) * 86_400
      var moment = WallTime(seconds: start)
      var shown = start
      for _ in 0..<40 {
        guard let next = schedule.next(after: moment, in: .utc) else { return #expect(Bool(false), "seed \(seed)") }
        repeat {
          shown += 60
          let at = CivilTime(shown: shown)
          let (day, weekday) = (days.1.contains(at.day), weekdays.1.contains(at.weekday))
          let isDay = months.1.contains(at.month) && (isBoth ? day && weekday : day || weekday)
          if isDay, hours.1.contains(at.hour), minutes.1.contains(at.minute) { break }
          // A day at a time when it is not the day, to be quick.
          if !isDay { shown += Int64((23 - at.hour) * 3_600 + (59 - at.minute) * 60) }
        } while shown < start + 86_400 * 400
        if shown >= start + 86_400 * 400 { break }
        #expect(next.seconds == shown, "seed \(seed): \(schedule.text)")
        if next.seconds != shown { return }
        moment = next
      }
    }
  }
}
