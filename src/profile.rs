//! A profile: the names that make up "the boot succeeded" for one kind of image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What success means for images judged under a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// The magic line arrives on the shell device and the shell answers a command.
    Shell,
    /// A login prompt appears on the console.
    Login,
    /// The image boots and carries no test backdoor.
    Production,
}

/// Names and expectations, loaded from `rules/profiles/*.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Profile name, e.g. `nixos-test`.
    pub name: String,
    /// What success means.
    pub goal: Goal,
    /// The backdoor unit, e.g. `nixos-test-backdoor.service`. When no such unit exists, the unit that owns
    /// the shell device or whose script prints the magic line is taken instead.
    pub unit: String,
    /// The shell device without `/dev/`, e.g. `hvc0`.
    pub device: String,
    /// The kernel module that makes the device, e.g. `virtio_console`.
    pub module: String,
    /// The modalias of the device's bus, as the kernel announces it to udev, e.g. `virtio:d00000003v00001AF4`.
    pub modalias: String,
    /// The kernel console that the test watches, without `/dev/`, e.g. `ttyS0`.
    pub console: String,
    /// The line on the shell device that means success.
    pub magic: String,
    /// The Debian package that ships the unit.
    pub package: String,
}

impl Profile {
    /// What stands for the placeholders of rules.
    pub fn names(&self) -> [(&'static str, &str); 6] {
        [
            ("unit", self.unit.as_str()),
            ("device", self.device.as_str()),
            ("module", self.module.as_str()),
            ("console", self.console.as_str()),
            ("magic", self.magic.as_str()),
            ("package", self.package.as_str()),
        ]
    }
}

impl Default for Profile {
    fn default() -> Self {
        Profile {
            name: "nixos-test".into(),
            goal: Goal::Shell,
            unit: "nixos-test-backdoor.service".into(),
            device: "hvc0".into(),
            module: "virtio_console".into(),
            modalias: "virtio:d00000003v00001AF4".into(),
            console: "ttyS0".into(),
            magic: "Spawning backdoor root shell...".into(),
            package: "nixos-test-backdoor".into(),
        }
    }
}
