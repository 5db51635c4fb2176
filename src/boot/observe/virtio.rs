//! virtio devices seen from outside: status, and whether the guest wrote to the console port.
//!
//! `x-query-virtio` and `x-query-virtio-status` need QEMU 7.2. They are asked whenever the trace says that a guest driver wrote
//! a status register, and now and then where there is no trace.

use crate::boot::channel::{Emitter, Stop};
use crate::boot::qmp::{Qmp, QmpError};
use crate::boot::timeline::{Event, Source};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Status bits (virtio 1.2, 2.1), by the words that QEMU uses for them. Longer names first: each is a substring of none before it.
const BITS: &[(&str, u8)] = &[
    ("FEATURES_OK", 8),
    ("DRIVER_OK", 4),
    ("NEEDS_RESET", 64),
    ("ACKNOWLEDGE", 1),
    ("FAILED", 128),
    ("DRIVER", 2),
];

/// Between two looks without trace.
const POLL: Duration = Duration::from_millis(500);
/// Status registers are written in bursts; the end of a burst is what counts.
const BURST: Duration = Duration::from_millis(20);
/// Between two reports of a growing byte count.
const OUTPUT_STEP: f64 = 1.0;

/// Asks QEMU for the devices' status on every wake-up; the sender's end closes when the trace ends.
/// To be run on a thread of its own.
pub fn observe(qmp: &Qmp, wake: Option<Receiver<f64>>, emitter: &Emitter, stop: &Stop) {
    let mut devices = Devices::default();
    let mut t = 0.0;
    while !stop.stopped() {
        match devices.look(qmp, t, emitter) {
            Ok(()) => {}
            Err(QmpError::Refused { .. }) => {
                let text = "this QEMU cannot tell virtio status (it needs version 7.2)".to_owned();
                return emitter.emit(Source::Doctor, Event::Note { text });
            }
            Err(QmpError::Closed) => return,
            Err(_) => {}
        }
        t = match &wake {
            Some(wake) => match wait_for_burst(wake, stop) {
                Some(t) => t,
                None => return,
            },
            None => {
                if stop.wait(POLL) {
                    return;
                }
                emitter.clock().now()
            }
        };
    }
}

/// The time of the last status change of a burst.
fn wait_for_burst(wake: &Receiver<f64>, stop: &Stop) -> Option<f64> {
    let mut t = loop {
        match wake.recv_timeout(POLL) {
            Ok(t) => break t,
            Err(RecvTimeoutError::Timeout) if !stop.stopped() => {}
            Err(_) => return None,
        }
    };
    let deadline = Instant::now() + 5 * BURST;
    while Instant::now() < deadline {
        match wake.recv_timeout(BURST) {
            Ok(later) => t = later,
            Err(_) => break,
        }
    }
    Some(t)
}

#[derive(Debug, Default)]
struct Devices {
    /// QOM path → name and last status.
    known: BTreeMap<String, (String, u8)>,
}

impl Devices {
    fn look(&mut self, qmp: &Qmp, t: f64, emitter: &Emitter) -> Result<(), QmpError> {
        if self.known.is_empty() {
            let list = qmp.execute("x-query-virtio", Value::Null)?;
            for device in list.as_array().into_iter().flatten() {
                if let (Some(path), Some(name)) = (device["path"].as_str(), device["name"].as_str())
                {
                    self.known.insert(path.to_owned(), (name.to_owned(), 0));
                }
            }
        }
        for (path, (name, last)) in &mut self.known {
            let reply = qmp.execute("x-query-virtio-status", json!({"path": path}))?;
            let status = status_bits(&reply["status"]);
            if status != *last {
                *last = status;
                emitter.emit_at(
                    t,
                    Source::Virtio,
                    Event::VirtioStatus {
                        device: name.clone(),
                        status,
                    },
                );
            }
        }
        Ok(())
    }
}

/// `{"statuses": ["VIRTIO_CONFIG_S_DRIVER_OK: Driver setup and ready", …], "unknown-statuses": n}`, or bare words.
fn status_bits(status: &Value) -> u8 {
    let words = status["statuses"].as_array().or(status.as_array());
    let mut bits = 0;
    for word in words.into_iter().flatten().filter_map(Value::as_str) {
        let name = word.split(':').next().unwrap_or_default();
        if let Some((_, bit)) = BITS.iter().find(|(known, _)| name.contains(known)) {
            bits |= bit;
        }
    }
    bits | status["unknown-statuses"]
        .as_u64()
        .and_then(|n| u8::try_from(n).ok())
        .unwrap_or(0)
}

/// Counts what the guest writes to the console port, from trace events.
#[derive(Debug, Default)]
pub struct PortOutput {
    buffers: u64,
    bytes: u64,
    told: Option<f64>,
}

impl PortOutput {
    /// The guest wrote.
    pub fn take(&mut self, t: f64, len: u64, emitter: &Emitter) {
        self.buffers += 1;
        self.bytes += len;
        if self.told.is_none_or(|told| t - told >= OUTPUT_STEP) {
            self.told = Some(t);
            emitter.emit_at(
                t,
                Source::Virtio,
                Event::PortWrites {
                    buffers: self.buffers,
                    bytes: Some(self.bytes),
                },
            );
        }
    }
}

/// What the transmit queue of the first console port says about writes: its used index counts buffers (modulo 2^16).
/// Port 0 transmits on queue 1 (virtio 1.2, 5.3.2).
pub fn port_used_index(qmp: &Qmp) -> Option<u16> {
    let list = qmp.execute("x-query-virtio", Value::Null).ok()?;
    let serial = list
        .as_array()?
        .iter()
        .find(|d| d["name"].as_str() == Some("virtio-serial"))?;
    let reply = qmp
        .execute(
            "x-query-virtio-queue-status",
            json!({"path": serial["path"], "queue": 1}),
        )
        .ok()?;
    u16::try_from(reply["used-idx"].as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_of_old_and_new_qemu() {
        let old = json!({"statuses": ["ACKNOWLEDGE", "DRIVER", "FEATURES_OK", "DRIVER_OK"]});
        assert_eq!(status_bits(&old), 15);
        let new = json!({"statuses": ["VIRTIO_CONFIG_S_ACKNOWLEDGE: Valid virtio device found",
            "VIRTIO_CONFIG_S_DRIVER: Guest OS compatible with device"]});
        assert_eq!(status_bits(&new), 3);
        assert_eq!(status_bits(&json!({"statuses": []})), 0);
        assert_eq!(status_bits(&json!({"unknown-statuses": 16})), 16);
    }
}
