//! What an observation says in words, the same from every channel.

use crate::boot::stages::log_marks::without_prefix;
use crate::boot::timeline::{Event, Observation, Source};

/// The text of an observation, as it was seen.
pub fn raw(event: &Event) -> Option<&str> {
    match event {
        Event::QemuMessage { text }
        | Event::SerialLine { text, .. }
        | Event::ShellLine { text, .. }
        | Event::KernelLog { text, .. }
        | Event::Journal { text, .. } => Some(text),
        _ => None,
    }
}

/// The text without the time that the console puts before kernel and journal lines. On the shell device that time is
/// itself the news.
pub fn text(observation: &Observation) -> Option<&str> {
    let text = raw(&observation.event)?;
    match observation.source {
        Source::Serial => Some(without_prefix(text).0),
        _ => Some(text),
    }
}

/// A line of a log or console of the guest: where systemd and the kernel speak.
pub fn log(observation: &Observation) -> Option<&str> {
    match observation.source {
        Source::KernelLog | Source::Journal | Source::Serial | Source::Shell => text(observation),
        _ => None,
    }
}

/// The guest's own time of an observation in seconds since its kernel started.
pub fn guest_time(event: &Event) -> Option<f64> {
    match event {
        Event::KernelLog { guest, .. } => Some(*guest),
        Event::Journal { guest, .. } => *guest,
        Event::SerialLine { text, .. } => {
            let (line, stamped) = without_prefix(text);
            let stamp = &text[..text.len() - line.len()];
            let digits = stamp.split_once('[')?.1.split_once(']')?.0.trim();
            stamped.then(|| digits.parse().ok())?
        }
        _ => None,
    }
}

/// A message of the guest's PID 1, without its identifier. `[  OK  ] …` of the status display counts.
pub fn systemd(observation: &Observation) -> Option<&str> {
    if let Event::Journal {
        identifier, text, ..
    } = &observation.event
    {
        return matches!(identifier.as_deref(), Some("systemd") | None).then_some(text);
    }
    let text = log(observation)?;
    if let Some(rest) = text.strip_prefix("systemd[1]: ") {
        return Some(rest);
    }
    let status = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .filter(|(mark, _)| {
            let mark = mark.trim();
            matches!(
                mark,
                "OK" | "FAILED" | "DEPEND" | "TIME" | "INFO" | "WARN" | "ASSERT"
            ) || mark.starts_with('*')
        });
    status.map(|(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(text: &str) -> Observation {
        Observation {
            t: 1.0,
            source: Source::Serial,
            event: Event::SerialLine {
                port: 0,
                text: text.into(),
                partial: false,
            },
        }
    }

    #[test]
    fn a_console_line_is_told_without_its_time() {
        let line = serial("[    7.755123] systemd[1]: Started x.service - X.");
        assert_eq!(text(&line), Some("systemd[1]: Started x.service - X."));
        assert_eq!(guest_time(&line.event), Some(7.755_123));
        assert_eq!(systemd(&line), Some("Started x.service - X."));
        assert_eq!(guest_time(&serial("no time").event), None);
    }

    #[test]
    fn the_status_display_is_systemd_too() {
        assert_eq!(
            systemd(&serial("[  OK  ] Started x.service - X.")),
            Some("Started x.service - X.")
        );
        assert_eq!(systemd(&serial("[1] other")), None);
    }
}
