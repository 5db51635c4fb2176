//! Calendar days, for suppressions that expire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// A day, written `YYYY-MM-DD`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "date"))]
pub struct Date {
    year: i64,
    month: u32,
    day: u32,
}

impl Date {
    /// Today, in UTC.
    pub fn today() -> Date {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Date::from_days(now.map_or(0, |d| d.as_secs() / 86_400))
    }

    /// Days since 1970-01-01, by the Gregorian calendar.
    fn from_days(mut days: u64) -> Date {
        let mut year = 1970;
        while days >= year_length(year) {
            days -= year_length(year);
            year += 1;
        }
        let mut month = 1;
        while days >= u64::from(month_length(year, month)) {
            days -= u64::from(month_length(year, month));
            month += 1;
        }
        Date {
            year,
            month,
            day: days as u32 + 1,
        }
    }
}

fn leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn year_length(year: i64) -> u64 {
    if leap(year) { 366 } else { 365 }
}

fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl TryFrom<String> for Date {
    type Error = String;

    fn try_from(text: String) -> Result<Date, String> {
        let wrong = || format!("`{text}` is not a day; write it as YYYY-MM-DD, e.g. 2030-12-31");
        let parts: Vec<&str> = text.split('-').collect();
        let [y, m, d] = parts.as_slice() else {
            return Err(wrong());
        };
        let digits = |s: &str, n| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
        if !(digits(y, 4) && digits(m, 2) && digits(d, 2)) {
            return Err(wrong());
        }
        let number = |s: &str| s.parse::<u32>().map_err(|_| wrong());
        let (year, month, day) = (i64::from(number(y)?), number(m)?, number(d)?);
        if !(1..=12).contains(&month) || day < 1 || day > month_length(year, month) {
            return Err(format!("`{text}` is not a day of the calendar"));
        }
        Ok(Date { year, month, day })
    }
}

impl From<Date> for String {
    fn from(date: Date) -> String {
        date.to_string()
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_calendar_does() {
        for (days, text) in [
            (0, "1970-01-01"),
            (58, "1970-02-28"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_723, "2024-01-01"),
            (20_088, "2024-12-31"),
        ] {
            assert_eq!(Date::from_days(days).to_string(), text);
        }
    }

    #[test]
    fn only_real_days_are_read_and_they_are_ordered() {
        let date = |t: &str| Date::try_from(t.to_owned());
        assert!(date("2024-02-29").unwrap() < date("2024-03-01").unwrap());
        for wrong in [
            "2023-02-29",
            "2024-13-01",
            "24-01-01",
            "2024-1-1",
            "soon",
            "+024-01-01",
        ] {
            assert!(date(wrong).is_err(), "{wrong}");
        }
    }
}
