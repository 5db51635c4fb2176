//! Programs that scripts of a test backdoor call, and whether the image has them.

use super::filesystem::FileSystem;
use std::collections::BTreeSet;

/// Commands looked up; a shell's own words are none.
pub const COMMANDS: &[&str] = &[
    "stty",
    "fuser",
    "socat",
    "setsid",
    "agetty",
    "udevadm",
    "timeout",
    "base64",
    "sleep",
    "seq",
    "cat",
    "tee",
    "systemd-cat",
    "python3",
    "perl",
    "logger",
    "mkdir",
    "mount",
    "ip",
    "env",
    "id",
    "hostname",
    "modprobe",
];

/// Directories of a script's PATH under systemd (systemd.exec(5), `$PATH`).
const PATH: &[&str] = &[
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// The commands that are not in the image.
pub fn missing(fs: &dyn FileSystem) -> BTreeSet<String> {
    COMMANDS
        .iter()
        .filter(|c| !PATH.iter().any(|dir| fs.exists(&format!("{dir}/{c}"))))
        .map(|c| (*c).to_owned())
        .collect()
}
