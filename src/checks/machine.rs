//! The machine of the test driver: a virtio disk, one virtconsole, two serial ports. Which device nodes does it have?

use crate::inspect::facts::Facts;
use crate::inspect::fstab::{DeviceMatch, device_match};

/// Whether a device node exists on that machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// As soon as the kernel runs, or devtmpfs and udev have settled its fixed names.
    Always,
    /// When its driver has been loaded: the shell device.
    Late,
    /// The node is there and systemd never gets a device unit for it: a serial port without hardware.
    NodeOnly,
    /// Never.
    Never,
    /// It cannot be told from the image.
    Unknown,
}

/// Serial ports that the driver's command line makes (the script's `-serial` and its own).
const SERIAL_PORTS: u32 = 2;
/// `CONFIG_SERIAL_8250_RUNTIME_UARTS` of Debian's kernels: ports with a node, hardware or not.
const SERIAL_NODES: u32 = 4;

/// `HVC_ALLOC_TTY_ADAPTERS` (drivers/tty/hvc/hvc_console.h): nodes `/dev/hvc0` to `/dev/hvc7`.
const HVC_NODES: u32 = 8;

/// The machine.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    facts: &'a Facts,
}

impl<'a> Machine<'a> {
    /// The machine for an image.
    pub fn new(facts: &'a Facts) -> Self {
        Machine { facts }
    }

    /// Whether the node at a path below `/dev` exists. Paths elsewhere are [`Presence::Unknown`].
    pub fn device(&self, path: &str) -> Presence {
        let Some(name) = path.strip_prefix("/dev/") else {
            return Presence::Unknown;
        };
        if name == self.facts.profile.device {
            return Presence::Late;
        }
        if FIXED.contains(&name) {
            return Presence::Always;
        }
        if let Some(port) = numbered(name, "ttyS") {
            return match port {
                n if n < SERIAL_PORTS => Presence::Always,
                n if n < SERIAL_NODES => Presence::NodeOnly,
                _ => Presence::Never,
            };
        }
        if let Some(terminal) = numbered(name, "tty") {
            return if terminal < 64 {
                Presence::Always
            } else {
                Presence::Never
            };
        }
        if let Some(terminal) = numbered(name, "hvc") {
            // The driver of the shell device makes them all at once, with something behind them or not.
            return if terminal < HVC_NODES {
                Presence::Late
            } else {
                Presence::Never
            };
        }
        if name.starts_with("virtio-ports/") {
            return Presence::Never;
        }
        // One port per virtconsole; which number its bus has depends on the order of the devices.
        if let Some((_, port)) = name
            .strip_prefix("vport")
            .and_then(|rest| rest.split_once('p'))
        {
            return if port == "0" {
                Presence::Unknown
            } else {
                Presence::Never
            };
        }
        if ["ttyUSB", "ttyACM", "ttyGS"]
            .iter()
            .any(|stem| numbered(name, stem).is_some())
        {
            return Presence::Never;
        }
        self.disk(path)
    }

    fn disk(&self, path: &str) -> Presence {
        if path == "/dev/vda" {
            return Presence::Always;
        }
        let Some(disk) = self.facts.disk.known() else {
            return Presence::Unknown;
        };
        match device_match(path, disk) {
            DeviceMatch::Partition(_) => Presence::Always,
            DeviceMatch::Missing | DeviceMatch::OtherBus(_) => Presence::Never,
            DeviceMatch::NotApplicable | DeviceMatch::Unknown(_) => Presence::Unknown,
        }
    }

    /// The device node behind a device unit, `/dev/hvc0` for `dev-hvc0.device`; none for units of `/sys`.
    pub fn node_of_unit(unit: &str) -> Option<String> {
        let escaped = unit.strip_suffix(".device")?.strip_prefix("dev-")?;
        let mut out = String::from("/dev/");
        let mut rest = escaped;
        while let Some(c) = rest.chars().next() {
            if let Some(code) = rest
                .strip_prefix("\\x")
                .and_then(|r| r.get(..2))
                .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            {
                out.push(char::from(code));
                rest = &rest[4..];
                continue;
            }
            out.push(if c == '-' { '/' } else { c });
            rest = &rest[c.len_utf8()..];
        }
        Some(out)
    }
}

fn numbered(name: &str, stem: &str) -> Option<u32> {
    let digits = name.strip_prefix(stem)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Nodes that every kernel of this kind makes.
const FIXED: &[&str] = &[
    "null",
    "zero",
    "full",
    "random",
    "urandom",
    "console",
    "tty",
    "ptmx",
    "pts",
    "shm",
    "kmsg",
    "mem",
    "port",
    "mqueue",
    "hugepages",
    "fd",
    "stdin",
    "stdout",
    "stderr",
    "log",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;

    #[test]
    fn knows_the_devices_of_the_test_driver() {
        let facts = testing::healthy();
        let machine = Machine::new(&facts);
        for (path, presence) in [
            ("/dev/hvc0", Presence::Late),
            ("/dev/hvc1", Presence::Late),
            ("/dev/hvc8", Presence::Never),
            ("/dev/ttyS0", Presence::Always),
            ("/dev/ttyS1", Presence::Always),
            ("/dev/ttyS3", Presence::NodeOnly),
            ("/dev/ttyS7", Presence::Never),
            ("/dev/vport0p1", Presence::Never),
            ("/dev/vport2p0", Presence::Unknown),
            ("/dev/virtio-ports/org.x", Presence::Never),
            ("/dev/vda2", Presence::Always),
            ("/dev/vda9", Presence::Never),
            ("/dev/sda1", Presence::Never),
            ("/dev/tty1", Presence::Always),
            ("/dev/watchdog0", Presence::Unknown),
            ("/etc/passwd", Presence::Unknown),
        ] {
            assert_eq!(machine.device(path), presence, "{path}");
        }
    }

    #[test]
    fn device_units_are_unescaped() {
        let node = |unit| Machine::node_of_unit(unit);
        assert_eq!(node("dev-hvc0.device").as_deref(), Some("/dev/hvc0"));
        assert_eq!(
            node("dev-disk-by\\x2duuid-12\\x2d34.device").as_deref(),
            Some("/dev/disk/by-uuid/12-34")
        );
        assert_eq!(node("sys-subsystem-net-devices-eth0.device"), None);
        assert_eq!(node("multi-user.target"), None);
    }
}
