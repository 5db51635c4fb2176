//! Observations as sentences.

use super::timeline::Event;
use crate::inspect::source::Location;

/// Longest answer of the guest in a sentence.
const OUTPUT_CAP: usize = 400;

impl Event {
    /// The kind as in JSON and recordings.
    pub fn kind(&self) -> &'static str {
        match self {
            Event::Note { .. } => "note",
            Event::Started { .. } => "started",
            Event::QemuMessage { .. } => "qemu-message",
            Event::QemuExit { .. } => "qemu-exit",
            Event::Qmp { .. } => "qmp",
            Event::RunState { .. } => "run-state",
            Event::SerialLine { .. } => "serial-line",
            Event::ShellLine { .. } => "shell-line",
            Event::MagicLine { .. } => "magic-line",
            Event::ShellAnswered { .. } => "shell-answered",
            Event::ShellBroken { .. } => "shell-broken",
            Event::VirtioStatus { .. } => "virtio-status",
            Event::PortOpen { .. } => "port-open",
            Event::PortWrites { .. } => "port-writes",
            Event::DiskRead { .. } => "disk-read",
            Event::DiskWrite { .. } => "disk-write",
            Event::KernelLog { .. } => "kernel-log",
            Event::Journal { .. } => "journal",
            Event::Quiet { .. } => "quiet",
            Event::StageReached { .. } => "stage-reached",
        }
    }

    /// The event as a line of text. Holds raw guest text: escape before printing.
    pub fn text(&self) -> String {
        match self {
            Event::Note { text } | Event::QemuMessage { text } => text.clone(),
            Event::Started { qemu, accel } => format!("QEMU {qemu} started with {accel}"),
            Event::QemuExit { code, signal } => match (code, signal) {
                (Some(code), _) => format!("QEMU ended with exit code {code}"),
                (None, Some(signal)) => format!("QEMU was killed by signal {signal}"),
                (None, None) => "QEMU ended".to_owned(),
            },
            Event::Qmp { name, data } => match data {
                serde_json::Value::Null => format!("QEMU event {name}"),
                data => format!("QEMU event {name} {data}"),
            },
            Event::RunState { state } => format!("the virtual machine is in state {state}"),
            Event::SerialLine { port, text, .. } => format!("ttyS{port}: {text}"),
            Event::ShellLine { text, .. } => format!("shell device: {text}"),
            Event::MagicLine { noise, split } => {
                let mut line = "the magic line arrived".to_owned();
                if *noise > 0 {
                    line.push_str(&format!(", after {noise} bytes of something else"));
                }
                if *split {
                    line.push_str("; in two pieces, so that the test driver would have missed it");
                }
                line
            }
            Event::ShellAnswered {
                command,
                output,
                code,
            } => {
                let shown: String = output.trim().chars().take(OUTPUT_CAP).collect();
                format!("$ {command} → {code}: {}", shown.replace('\n', " | "))
            }
            Event::ShellBroken { command, got } => {
                format!("the shell did not answer `{command}` as the test driver needs it: {got}")
            }
            Event::VirtioStatus { device, status } => {
                format!("{device}: {}", status_words(*status))
            }
            Event::PortOpen { open: true, .. } => {
                "the guest's driver opened the shell device".to_owned()
            }
            Event::PortOpen { open: false, .. } => {
                "the guest's driver closed the shell device".to_owned()
            }
            Event::PortWrites { buffers, bytes } => match bytes {
                Some(bytes) => format!("the guest wrote {bytes} bytes to the shell device so far"),
                None => format!("the guest wrote to the shell device ({buffers} buffers)"),
            },
            Event::DiskRead {
                partition,
                path,
                bytes,
                whole,
            } => {
                let place = Location::file(partition.clone(), path.clone());
                if *whole {
                    format!("read all of {place} ({bytes} bytes)")
                } else {
                    format!("read {place}")
                }
            }
            Event::DiskWrite { partition, path } => {
                format!("wrote {}", Location::file(partition.clone(), path.clone()))
            }
            Event::KernelLog { guest, text, .. } => format!("[{guest:12.6}] {text}"),
            Event::Journal {
                identifier,
                text,
                guest,
                ..
            } => {
                let time = guest.map_or_else(String::new, |g| format!("[{g:12.6}] "));
                match identifier {
                    Some(identifier) => format!("{time}{identifier}: {text}"),
                    None => format!("{time}{text}"),
                }
            }
            Event::Quiet { seconds } => {
                format!("vCPUs, disk and all channels have been quiet for {seconds:.1} s")
            }
            Event::StageReached { stage, evidence } => format!("{stage} reached: {evidence}"),
        }
    }
}

/// Status bits in words (virtio 1.2, 2.1).
fn status_words(status: u8) -> String {
    const WORDS: [(u8, &str); 6] = [
        (1, "ACKNOWLEDGE"),
        (2, "DRIVER"),
        (8, "FEATURES_OK"),
        (4, "DRIVER_OK"),
        (64, "NEEDS_RESET"),
        (128, "FAILED"),
    ];
    if status == 0 {
        return "reset".to_owned();
    }
    let words: Vec<&str> = WORDS
        .iter()
        .filter(|(bit, _)| status & bit != 0)
        .map(|(_, word)| *word)
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_spelled_as_they_are_recorded() {
        for event in [
            Event::Quiet { seconds: 1.0 },
            Event::QemuMessage { text: "x".into() },
            Event::MagicLine {
                noise: 0,
                split: false,
            },
        ] {
            let recorded = serde_json::to_value(&event).unwrap();
            assert_eq!(recorded["kind"], event.kind());
        }
    }

    #[test]
    fn sentences() {
        let status = Event::VirtioStatus {
            device: "virtio-serial".into(),
            status: 15,
        };
        assert_eq!(
            status.text(),
            "virtio-serial: ACKNOWLEDGE DRIVER FEATURES_OK DRIVER_OK"
        );
        let read = Event::DiskRead {
            partition: "p1".into(),
            path: "/vmlinuz".into(),
            bytes: 5,
            whole: true,
        };
        assert_eq!(read.text(), "read all of p1:/vmlinuz (5 bytes)");
    }
}
