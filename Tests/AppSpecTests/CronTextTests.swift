import Testing

@testable import AppSpec

@Suite struct CronTextTests {
  @Test(arguments: [
    "* * * * *", "*/5 * * * *", "0 0 1 1 0", "59 23 31 12 7", "0,15,30,45 9-17 * * MON-FRI", "0 0 1-31/2 JAN,mar,Dec sun",
    "1-59/29 * * * *",
    "0 0 29 2 *", "0 0 31 2,3 *", "0 0 31 2 MON", "0 0 * 2 MON", "0\t0  * * *", "@hourly", "@daily", "@midnight", "@weekly", "@monthly",
    "@yearly",
    "@annually", "07 08 09 * *",
  ])
  func aScheduleIsKept(_ text: String) throws {
    #expect(try web("kind: job", "schedule: \"\(text.replacing("\t", with: "\\t"))\"").schedule == text)
  }

  @Test(arguments: [
    ("60 * * * *", 0, "minute: "), ("* 24 * * *", 2, "hour: "), ("* * 0 * *", 4, "day of month: "), ("* * 32 * *", 4, "day of month: "),
    ("* * * 0 *", 6, "month: "), ("* * * 13 *", 6, "month: "), ("* * * FOO *", 6, "month: "), ("* * * * 8", 8, "day of week: "),
    ("* * * * MONDAY", 8, "day of week: "), ("5/15 * * * *", 0, "minute: "), ("*/0 * * * *", 0, "minute: "),
    ("*/60 * * * *", 0, "minute: "),
    ("5-1 * * * *", 0, "minute: "), ("* * * * FRI-MON", 8, "day of week: "), ("1, * * * *", 0, "minute: "), (",1 * * * *", 0, "minute: "),
    ("1-2-3 * * * *", 0, "minute: "), ("-1 * * * *", 0, "minute: "), ("1- * * * *", 0, "minute: "), ("*/ * * * *", 0, "minute: "),
    ("*/2/2 * * * *", 0, "minute: "), ("1.5 * * * *", 0, "minute: "), ("? * * * *", 0, "minute: "), ("* * L * *", 4, "day of month: "),
    ("* * * * 5#3", 8, "day of week: "), ("+1 * * * *", 0, "minute: "), ("٣ * * * *", 0, "minute: "), ("100 * * * *", 0, "minute: "),
    ("*-5 * * * *", 0, "minute: "), ("**  * * * *", 0, "minute: "), ("*,* * * JAN-FOO *", 8, "month: "),
    ("0 0 30 2 *", 4, "day of month: no month of \"2\" has a day 30, so that it would never run"),
    ("0 0 31 APR,JUN *", 4, "day of month: no month of \"APR,JUN\" has a day 31, so that it would never run"),
    ("", 0, "expected five fields"), ("* * * *", 0, "expected five fields"), ("* * * * * *", 0, "expected five fields"),
    (
      "@reboot", 0,
      "expected five fields, or one of @hourly, @daily, @weekly, @monthly or @yearly, found \"@reboot\"; a job without a schedule"
    ),
    ("@Daily", 0, "expected five fields, or one of"), (String(repeating: "1,", count: 600), 0, "a schedule has at most 1000 bytes"),
  ])
  func whatIsNoneSaysWhichField(_ text: String, _ offset: Int, _ message: String) {
    let error = #expect(throws: ScheduleError.self) { try CronText.check(text) }
    #expect(error?.offset == offset)
    #expect(error?.message.hasPrefix(message) == true, "\(error?.message ?? "")")
  }
}
