//! What is known of the shell device: driver bound, written to, and when on the guest's own clock.

use super::words;
use crate::boot::timeline::{Event, Observation};

/// The device as seen from outside and from the logs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceState {
    /// Host time at which the driver was bound (DRIVER_OK by Linux, port opened, or the kernel says so).
    pub bound: Option<f64>,
    /// Guest time of the same, when a log tells or it can be carried over from the host's clock.
    pub bound_guest: Option<f64>,
    /// Index of the observation that says so.
    pub index: Option<usize>,
    /// The device was seen at all: virtio status observed, so that "not bound" is a finding and not blindness.
    pub watched: bool,
    /// Index of the observation in which the module's file was read from the image.
    pub module_read: Option<usize>,
    /// Bytes or buffers were written to the port.
    pub written: bool,
}

/// virtio 1.2, 2.1: the driver is set up and ready.
const DRIVER_OK: u8 = 4;
/// virtio 1.2, 2.1: features are agreed; OVMF drives the legacy interface without it.
const FEATURES_OK: u8 = 8;

/// Gathers the state. `module` is the name with underscores.
pub fn state(timeline: &[Observation], module: &str) -> DeviceState {
    let mut state = DeviceState::default();
    let offset = clock_offset(timeline);
    let dashed = module.replace('_', "-");
    for (index, observation) in timeline.iter().enumerate() {
        let t = observation.t;
        match &observation.event {
            Event::VirtioStatus { device, status } if is_serial(device) => {
                state.watched = true;
                if status & (DRIVER_OK | FEATURES_OK) == DRIVER_OK | FEATURES_OK {
                    state.bind(t, index, offset.map(|o| t - o));
                }
            }
            Event::PortOpen { open, .. } => {
                state.watched = true;
                if *open {
                    state.bind(t, index, offset.map(|o| t - o));
                }
            }
            Event::PortWrites { buffers, .. } if *buffers > 0 => state.written = true,
            Event::ShellLine { .. } | Event::MagicLine { .. } => state.written = true,
            Event::DiskRead { path, .. } if is_module(path, module, &dashed) => {
                state.module_read.get_or_insert(index);
            }
            _ => {}
        }
    }
    state
}

impl DeviceState {
    fn bind(&mut self, t: f64, index: usize, guest: Option<f64>) {
        if self.bound.is_none() {
            self.bound = Some(t);
            self.index = Some(index);
            self.bound_guest = guest.filter(|g| *g >= 0.0);
        }
    }
}

fn is_serial(device: &str) -> bool {
    device.contains("serial") || device.contains("console")
}

fn is_module(path: &str, module: &str, dashed: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.split(".ko").next().unwrap_or_default();
    name.contains(".ko") && (stem == module || stem == dashed)
}

/// Host seconds at which the guest's clock read zero: the smallest difference seen between a record's arrival and
/// its own time, because a record can be seen late and never early.
pub fn clock_offset(timeline: &[Observation]) -> Option<f64> {
    let offsets = timeline.iter().filter_map(|o| {
        let guest = words::guest_time(&o.event)?;
        (guest > 0.0).then_some(o.t - guest)
    });
    offsets.min_by(f64::total_cmp)
}

/// Milliseconds of the guest's clock from the device's appearance to the check at `check` (guest seconds). Negative when the check came first.
pub fn margin_ms(check: f64, device: &DeviceState) -> Option<f64> {
    Some((check - device.bound_guest?) * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::timeline::Source;

    fn at(t: f64, event: Event) -> Observation {
        Observation {
            t,
            source: Source::Virtio,
            event,
        }
    }

    #[test]
    fn firmware_driving_the_device_is_not_the_driver() {
        let timeline = [at(
            1.0,
            Event::VirtioStatus {
                device: "virtio-serial".into(),
                status: 7,
            },
        )];
        let state = state(&timeline, "virtio_console");
        assert!(state.watched && state.bound.is_none());
    }

    #[test]
    fn the_margin_is_on_the_guests_clock() {
        let timeline = [
            at(
                5.0,
                Event::KernelLog {
                    guest: 1.0,
                    level: 6,
                    text: "a".into(),
                },
            ),
            at(
                5.4,
                Event::KernelLog {
                    guest: 1.2,
                    level: 6,
                    text: "b".into(),
                },
            ),
            at(
                8.0,
                Event::VirtioStatus {
                    device: "virtio-serial".into(),
                    status: 15,
                },
            ),
        ];
        let state = state(&timeline, "virtio_console");
        assert_eq!(state.bound_guest, Some(4.0));
        assert_eq!(margin_ms(3.0, &state), Some(-1000.0));
    }

    #[test]
    fn a_module_is_known_by_its_file_name() {
        let read = |path: &str| {
            at(
                2.0,
                Event::DiskRead {
                    partition: "p2".into(),
                    path: path.into(),
                    bytes: 1,
                    whole: false,
                },
            )
        };
        assert!(
            state(
                &[read(
                    "/usr/lib/modules/6.1/kernel/drivers/char/virtio_console.ko.xz"
                )],
                "virtio_console"
            )
            .module_read
            .is_some()
        );
        assert!(
            state(
                &[read(
                    "/usr/lib/modules/6.1/kernel/drivers/char/virtio_console_x.ko"
                )],
                "virtio_console"
            )
            .module_read
            .is_none()
        );
    }
}
