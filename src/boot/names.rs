//! What the stage machine must recognise in this image: the files that mark each stage, taken from inspect's facts.
//!
//! Kept in a recording, so that a replay needs neither the image nor its facts.

use crate::inspect::facts::Facts;
use crate::inspect::source::Location;
use crate::profile::Profile;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files and names of one image. Locations have partition and path; empty lists when inspect could not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Names {
    /// Profile in use.
    pub profile: Profile,
    /// The backdoor unit of this image.
    pub unit: String,
    /// Files of the boot loader: the EFI program, its configuration, its entries.
    pub loader: Vec<Location>,
    /// The kernel (or UKI).
    pub kernel: Option<Location>,
    /// The initrds.
    pub initrd: Vec<Location>,
    /// The root file system's partition (`p2`).
    pub root: Option<String>,
    /// PID 1's program.
    pub init: Option<Location>,
    /// The unit file.
    pub unit_file: Option<Location>,
    /// The script that the unit starts.
    pub script: Option<Location>,
    /// The kernel would execute the script: it is executable and its interpreter is there. Its first page is read
    /// even where it is not, so that a read alone proves nothing then.
    pub script_runnable: bool,
    /// Modules that make the device (`virtio_console.ko`).
    pub modules: Vec<Location>,
    /// The device's driver is built into the kernel; none when unknown.
    pub driver_builtin: Option<bool>,
    /// The unit's `Description=`: with `StatusUnitFormat=description` systemd logs nothing else.
    pub unit_description: Option<String>,
    /// The disk's driver (virtio_blk) is built into the kernel; none when unknown.
    pub disk_driver_builtin: Option<bool>,
    /// Seconds the loader's menu waits before it boots; none when it does not wait, or for ever.
    pub menu_timeout: Option<f64>,
    /// Longest time in seconds that systemd waits for a device or a start job in this image, when configured.
    pub job_timeout: Option<f64>,
}

impl Names {
    /// What the profile alone tells: for images that inspect could not read.
    pub fn from_profile(profile: &Profile) -> Names {
        Names {
            profile: profile.clone(),
            unit: profile.unit.clone(),
            loader: Vec::new(),
            kernel: None,
            initrd: Vec::new(),
            root: None,
            init: None,
            unit_file: None,
            script: None,
            script_runnable: true,
            modules: Vec::new(),
            driver_builtin: None,
            unit_description: None,
            disk_driver_builtin: None,
            menu_timeout: None,
            job_timeout: None,
        }
    }

    /// What inspect found.
    pub fn from_facts(facts: &Facts) -> Names {
        let mut names = Names::from_profile(&facts.profile);
        if let Some(unit) = &facts.backdoor {
            names.unit.clone_from(unit);
        }
        names
    }
}
