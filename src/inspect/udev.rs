//! udev rules that matter to systemd: `SYSTEMD_WANTS`, `TAG+="systemd"`, blacklists.

use super::source::Origin;
use schemars::JsonSchema;
use serde::Serialize;

/// A rule line that makes a device want units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SystemdWants {
    /// Value of `ENV{SYSTEMD_WANTS}`.
    pub units: Vec<String>,
    /// `KERNEL==` pattern of the line, when it has one (`hvc[0-9]*`).
    pub kernel: Option<String>,
    /// `SUBSYSTEM==` of the line, when it has one.
    pub subsystem: Option<String>,
    /// The line.
    pub origin: Origin,
}

/// udev as the image configures it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UdevFacts {
    /// Rule files that count (a same-named file in /etc hides the one in /usr/lib), by name.
    pub rule_files: Vec<String>,
    /// Lines with `SYSTEMD_WANTS`.
    pub wants: Vec<SystemdWants>,
    /// A rule tags ttys with `systemd`, so that `dev-hvc0.device` appears (99-systemd.rules).
    pub tags_ttys: bool,
    /// A rule loads modules by modalias (`80-drivers.rules`).
    pub loads_modules: bool,
}
