//! What the stage machine must recognise in this image: the files that mark each stage, taken from inspect's facts.
//!
//! Kept in a recording, so that a replay needs neither the image nor its facts.

use crate::diagnose::unit_outcome::UnitNames;
use crate::inspect::error::Fact;
use crate::inspect::exec::{Executable, Format};
use crate::inspect::facts::Facts;
use crate::inspect::source::Location;
use crate::inspect::systemd::{SystemdFacts, Unit};
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
    /// Units that the user asked about (`--unit`).
    #[serde(default)]
    pub asked: Vec<UnitNames>,
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
            asked: Vec::new(),
            job_timeout: None,
        }
    }

    /// Asks about more units; their descriptions are taken from the image where it could be read.
    pub fn ask(&mut self, units: &[String], facts: Option<&Facts>) {
        let systemd = facts.and_then(|f| f.systemd.known());
        self.asked.extend(units.iter().map(|name| {
            let has_kind = name.rsplit('.').next().is_some_and(|k| k != name);
            let name = if has_kind {
                name.clone()
            } else {
                format!("{name}.service")
            };
            let unit = systemd.and_then(|s| s.unit(&name));
            let description = unit.and_then(|u| u.value("Unit", "Description"));
            UnitNames {
                description: description.map(|d| d.value.clone()),
                name,
            }
        }));
    }

    /// What inspect found.
    pub fn from_facts(facts: &Facts) -> Names {
        let mut names = Names::from_profile(&facts.profile);
        if let Some(unit) = &facts.backdoor {
            names.unit.clone_from(unit);
        }
        names.loader = loader_files(facts);
        names.kernel = facts.kernel.known().map(|k| k.location.clone());
        if let Some(entry) = facts.loader.known().and_then(|l| l.selected_entry()) {
            names.initrd = entry
                .initrds
                .iter()
                .filter_map(|i| Some(i.file.known()?.location.clone()))
                .collect();
        }
        if let Some(loader) = facts.loader.known() {
            // A menu that waits for ever is quiet, and that is the finding.
            names.menu_timeout = loader
                .timeout
                .filter(|t| (1..=MENU_CAP).contains(t))
                .map(f64::from);
        }
        if let Some(rootfs) = facts.rootfs.known() {
            names.root = Some(rootfs.partition.clone());
            // A shell or a script in its place is no sign of systemd.
            let systemd = rootfs.init.known().filter(|init| init.is_systemd());
            names.init = systemd.map(|init| init.location.clone());
        }
        if let Some(script) = facts.script.known() {
            names.script = Some(script.location.clone());
            names.script_runnable = runnable(script);
        }
        if let Some(systemd) = facts.systemd.known() {
            if let Some(unit) = systemd.unit(&names.unit) {
                names.unit_file = unit.fragment.clone();
                names.unit_description = unit.value("Unit", "Description").map(|s| s.value.clone());
            }
            names.job_timeout = longest_wait(systemd, &names.unit);
        }
        if let Some(modules) = facts.modules.known() {
            let builtin = |name: &str| modules.states.get(name).map(|s| s.builtin);
            names.driver_builtin = builtin(&facts.profile.module);
            names.disk_driver_builtin = builtin("virtio_blk");
            names.modules = modules
                .states
                .get(&facts.profile.module)
                .and_then(|s| s.file.known().cloned())
                .into_iter()
                .collect();
        }
        names
    }
}

/// systemd's default for devices and start jobs (systemd-system.conf(5)).
pub const DEFAULT_JOB_TIMEOUT: f64 = 90.0;
/// The wait-online programs' own timeout (systemd-networkd-wait-online(8)), when their arguments give no other.
const WAIT_ONLINE: f64 = 120.0;

/// The longest time that systemd, or a unit before the backdoor, waits in silence; none when nothing differs from the defaults.
fn longest_wait(systemd: &SystemdFacts, unit: &str) -> Option<f64> {
    let manager = ["DefaultTimeoutStartSec", "DefaultDeviceTimeoutSec"];
    let configured = systemd
        .manager
        .iter()
        .filter(|s| manager.contains(&s.key.as_str()));
    let configured = configured
        .filter_map(|s| seconds(&s.value))
        .reduce(f64::max);
    let before = systemd.ordering_ancestors(unit);
    let before: Vec<&Unit> = before
        .into_iter()
        .filter_map(|name| systemd.unit(name))
        .collect();
    let jobs = before.iter().flat_map(|u| &u.settings).filter(|s| {
        matches!(s.key.as_str(), "JobTimeoutSec" | "JobRunningTimeoutSec") && s.value != "infinity"
    });
    let online = before
        .iter()
        .flat_map(|u| &u.exec)
        .filter(|e| e.directive == "ExecStart" && e.path.ends_with("wait-online"));
    let online = online.map(|e| {
        let given = e
            .arguments
            .iter()
            .find_map(|a| a.strip_prefix("--timeout="));
        given.and_then(seconds).unwrap_or(WAIT_ONLINE)
    });
    let special = jobs
        .filter_map(|s| seconds(&s.value))
        .chain(online)
        .reduce(f64::max);
    match special {
        Some(special) => Some(special.max(configured.unwrap_or(DEFAULT_JOB_TIMEOUT))),
        None => configured,
    }
}

/// A menu that counts longer than this is taken as waiting.
const MENU_CAP: u32 = 120;

fn loader_files(facts: &Facts) -> Vec<Location> {
    let mut files = Vec::new();
    if let Some(program) = facts.esp.known().and_then(|e| e.removable.known()) {
        files.push(program.location.clone());
    }
    if let Some(loader) = facts.loader.known() {
        files.extend(loader.config.known().map(|o| o.file.location()));
        files.extend(
            loader
                .entries
                .iter()
                .filter_map(|e| Some(e.origin.as_ref()?.file.location())),
        );
    }
    files
}

/// `execve(2)` would succeed: an execute bit, a known format, and an interpreter that is there and can itself be executed.
fn runnable(program: &Executable) -> bool {
    let format = match program.format {
        Format::Elf { .. } => true,
        Format::Script { .. } => program.interpreter.is_some(),
        Format::Unknown | Format::Empty => false,
    };
    let interpreter = match program.interpreter.as_deref() {
        Some(Fact::Known(interpreter)) => interpreter.mode & 0o111 != 0,
        Some(Fact::Absent) => false,
        // It could not be told: then a read is taken for what it looks like.
        Some(Fact::Unreadable(_)) | None => true,
    };
    program.mode & 0o111 != 0 && format && interpreter
}

/// A time span as systemd.time(7) writes it; `infinity` counts as five minutes, for nobody waits longer.
fn seconds(text: &str) -> Option<f64> {
    if text.trim() == "infinity" {
        return Some(300.0);
    }
    let mut total = 0.0;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "ms" | "msec" => 1e-3,
            "us" | "usec" => 1e-6,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            _ => return None,
        };
        total += number * unit;
        rest = rest[letters..].trim_start();
    }
    Some(total.min(900.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_of_systemd() {
        assert_eq!(seconds("300"), Some(300.0));
        assert_eq!(seconds("1min 30s"), Some(90.0));
        assert_eq!(seconds("5m"), Some(300.0));
        assert_eq!(seconds("infinity"), Some(300.0));
        assert_eq!(seconds("soon"), None);
    }
}
