//! Time stamps that CI systems and tools put in front of lines.

use regex::Regex;
use std::sync::LazyLock;

/// ISO 8601 (GitHub, GitLab with its stream marker `01O`, Jenkins in brackets), or a time of day alone (`ts`, Jenkins).
static STAMP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^\[?(?:(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)[T ])?(?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d(?:[.,]\d{1,9})?)(?:Z|[+-]\d\d:?\d\d)?\]?(?: \d\d[OE](?:[+ ]|$)| |$)",
    )
    .ok()
});

/// Seconds (of any epoch: only differences count) and the rest of the line.
pub fn split(text: &str) -> (Option<f64>, &str) {
    let Some(found) = STAMP.as_ref().and_then(|s| s.captures(text)) else {
        return (None, text);
    };
    let number = |name: &str| {
        let digits = found.name(name)?.as_str().replace(',', ".");
        digits.parse::<f64>().ok()
    };
    let day = match (number("y"), number("mo"), number("d")) {
        (Some(y), Some(mo), Some(d)) => days(y as i64, mo as i64, d as i64) as f64,
        _ => 0.0,
    };
    let seconds = (|| Some(number("h")? * 3600.0 + number("m")? * 60.0 + number("s")?))();
    let rest = &text[found.get(0).map_or(0, |m| m.end())..];
    match seconds {
        Some(seconds) => (Some(day * 86_400.0 + seconds), rest),
        None => (None, text),
    }
}

/// Days since 1970 of a date of the Gregorian calendar (days are counted from March, so that leap days come last).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_of_ci_systems() {
        let rest = |text| split(text).1;
        assert_eq!(
            rest("2026-05-01T12:00:00.1234567Z machine # x"),
            "machine # x"
        );
        assert_eq!(
            rest("2026-05-01T12:00:00.123456Z 01O machine # x"),
            "machine # x"
        );
        assert_eq!(rest("2026-05-01T12:00:00.123456Z 00O+x"), "x");
        assert_eq!(rest("[2026-05-01T12:00:00.123Z] x"), "x");
        assert_eq!(rest("12:00:01 x"), "x");
        assert_eq!(rest("[    1.234567] Linux"), "[    1.234567] Linux");
        assert_eq!(rest("2026-05-01 is a date"), "2026-05-01 is a date");
    }

    #[test]
    fn differences_are_seconds() {
        let t = |text| split(text).0.unwrap();
        assert_eq!(
            t("2024-03-01T00:00:01Z x") - t("2024-02-28T23:59:59Z x"),
            86_402.0
        );
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
    }
}
