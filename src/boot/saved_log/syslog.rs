//! journalctl's short forms and syslog files: `Nov 23 08:30:00 host systemd[1]: text`.

use crate::boot::timeline::{Event, Source};
use regex::{Captures, Regex};
use std::sync::LazyLock;

/// `short` and `short-precise`, `short-iso`, `short-monotonic`; RFC 3164.
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<h>\d\d):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?)|\[ *(?P<mono>\d+\.\d{6})\]) (?P<host>[A-Za-z0-9._-]+) (?P<who>[^\s:\[]+|\([^)]*\))(?:\[\d+\])?: (?P<text>.*)$",
    )
    .ok()
});
/// The same behind a time stamp that was taken off (`short-iso`): then the process id, or the kernel, tells that it is one.
static BARE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?P<host>[A-Za-z0-9._-]+) (?:(?P<who>[^\s:\[]+|\([^)]*\))\[\d+\]|(?P<kernel>kernel)): (?P<text>.*)$",
    )
    .ok()
});
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Whether at least half of the lines, and three, are of this form.
pub fn is_syslog<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let (mut all, mut those) = (0usize, 0usize);
    for line in lines.take(2000) {
        all += 1;
        those += usize::from(captures(line).is_some());
    }
    those >= 3 && those * 2 >= all
}

fn captures(text: &str) -> Option<Captures<'_>> {
    let bare = || BARE.as_ref().and_then(|l| l.captures(text));
    LINE.as_ref().and_then(|l| l.captures(text)).or_else(bare)
}

/// Seconds (of any epoch), who saw it, and what is told. Other lines are taken as console text.
pub fn event(text: &str) -> (Option<f64>, Source, Event) {
    let Some(parts) = captures(text) else {
        let event = Event::SerialLine {
            port: 0,
            text: text.to_owned(),
            partial: false,
        };
        return (None, Source::Serial, event);
    };
    let number = |name: &str| parts.name(name)?.as_str().parse::<f64>().ok();
    let monotonic = number("mono");
    let time = || {
        let month = MONTHS.iter().position(|m| *m == &parts["month"])?;
        // No year is told, and months of 31 days keep the order.
        let day = month as f64 * 31.0 + number("day")?;
        Some(((day * 24.0 + number("h")?) * 60.0 + number("m")?) * 60.0 + number("s")?)
    };
    let time = match monotonic {
        Some(seconds) => Some(seconds),
        None => parts.name("month").and_then(|_| time()),
    };
    let who = parts.name("who").map_or("kernel", |w| w.as_str());
    let text = parts["text"].to_owned();
    if who == "kernel" {
        // Some forwarders keep the kernel's own time.
        let (rest, _) = crate::boot::stages::log_marks::without_prefix(&text);
        let event = Event::KernelLog {
            guest: monotonic.unwrap_or(0.0),
            level: 6,
            text: rest.to_owned(),
        };
        return (time, Source::KernelLog, event);
    }
    let event = Event::Journal {
        guest: monotonic,
        priority: None,
        unit: None,
        identifier: Some(who.to_owned()),
        text,
    };
    (time, Source::Journal, event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_journalctl() {
        let (t, source, event) = event("Nov 23 08:30:02 lab systemd[1]: Started x.service - X.");
        assert_eq!(source, Source::Journal);
        assert!(
            matches!(&event, Event::Journal { identifier: Some(i), text, .. } if i == "systemd" && text.starts_with("Started"))
        );
        let (later, source, kernel) =
            super::event("Nov 23 08:31:02 lab kernel: Linux version 6.1.0");
        assert_eq!(later.unwrap() - t.unwrap(), 60.0);
        assert_eq!(source, Source::KernelLog);
        assert!(matches!(kernel, Event::KernelLog { text, .. } if text == "Linux version 6.1.0"));
        let (t, _, event) = super::event("[    7.123456] lab (agetty)[7]: x");
        assert_eq!(t, Some(7.123456));
        let (_, source, _) = super::event("lab kernel: Linux version 6.1.0");
        assert_eq!(source, Source::KernelLog);
        assert!(matches!(event, Event::Journal { guest: Some(g), .. } if g == 7.123456));
    }

    #[test]
    fn a_console_is_no_syslog() {
        let is = |lines: &[&str]| is_syslog(lines.iter().copied());
        assert!(!is(&["[    7.123456] systemd[1]: Started x."; 5]));
        assert!(!is(&["make all: nothing to be done"; 5]));
        assert!(is(&["Nov 23 08:30:02 lab systemd[1]: Started x."; 3]));
    }
}
