//! What could not be seen. Silence on a blind channel says nothing about the guest.

use super::launch::{Launch, SerialEnd};
use super::stages::Stages;
use super::timeline::{Event, Observation};
use crate::stage::Stage;

/// Sentences about channels that showed nothing, with the reason where it is known.
pub fn channels(launch: &Launch, timeline: &[Observation], stages: &Stages) -> Vec<String> {
    let mut blind = Vec::new();
    for (port, end) in launch.serial.iter().enumerate() {
        if let SerialEnd::Blind(reason) = end {
            blind.push(format!("serial port {port} (ttyS{port}): {reason}"));
        }
    }
    let any = |test: fn(&Event) -> bool| timeline.iter().any(|o| test(&o.event));
    if launch.trace.is_none() {
        blind.push("disk reads: not traced".to_owned());
    } else if stages.reached(Stage::Kernel) && !any(|e| matches!(e, Event::DiskRead { .. })) {
        blind.push(
            "disk reads: this QEMU prints no trace lines (built without the log trace backend?), or no file of the image is known"
                .to_owned(),
        );
    }
    if stages.reached(Stage::Initrd) {
        if !any(|e| matches!(e, Event::KernelLog { .. })) {
            blind.push("kernel log: not found in guest memory".to_owned());
        }
        let console = timeline.iter().any(|o| {
            matches!(&o.event, Event::SerialLine { text, .. } if super::stages::log_marks::without_prefix(text).1)
        });
        if !console {
            blind.push(
                "console: the kernel printed nothing on any serial port (quiet, loglevel=, or console= elsewhere)"
                    .to_owned(),
            );
        }
    }
    blind
}
