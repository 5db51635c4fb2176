//! Is the device certain to exist before the unit starts?

use crate::checks::Context;
use crate::inspect::error::Fact;
use crate::inspect::fnmatch;
use crate::inspect::modules::ModuleState;
use crate::inspect::source::Location;
use crate::inspect::systemd::{DependencyKind, SystemdFacts, Unit};

/// What is known about the order of device and unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum First {
    /// The device exists first, or the unit is started again when it appears.
    Certain,
    /// The unit is given more than one chance, and none of them is certain.
    Likelier(String),
    /// Nothing orders them.
    No,
    /// The device never appears; that is the business of other rules.
    Moot,
    /// What would tell could not be read.
    Unknown {
        /// Why.
        reason: String,
        /// Where.
        location: Location,
    },
}

/// Looks for whatever makes the device come first.
pub fn first(cx: &Context<'_>, systemd: &SystemdFacts, unit: &Unit) -> First {
    let before = systemd.ordering_ancestors(&unit.name);
    let device = cx.device_unit();
    // Its job is in the transaction, and the unit's job waits for it.
    if before.contains(device.as_str())
        || started_by_device(cx, systemd, unit, &device)
        || before.iter().any(|name| settles(cx, systemd, name))
    {
        return First::Certain;
    }
    let driver = match driver(cx) {
        Ok(driver) => driver,
        Err(other) => return other,
    };
    if early(cx, driver) || loaded_before(cx, systemd, driver, &before) {
        return First::Certain;
    }
    let never = driver.file == Fact::Absent && !driver.in_initrd;
    if never {
        return First::Moot;
    }
    if let Some(unknown) = initrd_unknown(cx) {
        return unknown;
    }
    match again(systemd, unit) {
        Some(why) => First::Likelier(why),
        None => First::No,
    }
}

fn driver<'a>(cx: &Context<'a>) -> Result<&'a ModuleState, First> {
    let unknown = |reason: &str, location: Location| First::Unknown {
        reason: reason.to_owned(),
        location,
    };
    let modules = match &cx.facts.modules {
        Fact::Known(modules) => modules,
        Fact::Absent => return Err(First::Moot),
        Fact::Unreadable(error) => return Err(unknown(&error.message, error.location.clone())),
    };
    let state = modules.states.get(&cx.profile.module.replace('-', "_"));
    let state = state.ok_or_else(|| {
        unknown(
            "the driver of the shell device was not looked at",
            cx.in_rootfs("/usr/lib/modules"),
        )
    })?;
    // Modules of another kernel are another rule's business.
    if !modules.present && !state.builtin && !state.in_initrd {
        return Err(First::Moot);
    }
    Ok(state)
}

/// The driver, and that of its bus, are there before the root file system is mounted.
fn early(cx: &Context<'_>, driver: &ModuleState) -> bool {
    let there = |state: &ModuleState| state.builtin || state.loaded_in_initrd;
    let on_virtio = cx.profile.modalias.starts_with("virtio:");
    let modules = cx.facts.modules.known();
    let bus = modules
        .and_then(|m| m.states.get("virtio_pci"))
        .filter(|_| on_virtio);
    there(driver) && bus.is_none_or(|bus| there(bus) || bus.in_initrd)
}

/// Without the initrd's list it is open whether the initrd loads the driver.
fn initrd_unknown(cx: &Context<'_>) -> Option<First> {
    let (reason, location) = match &cx.facts.initrd {
        Fact::Known(initrd) if initrd.skipped => (
            "the initrd was not read, and may load the driver".to_owned(),
            initrd.files.first().cloned().unwrap_or_default(),
        ),
        Fact::Unreadable(error) => (error.message.clone(), error.location.clone()),
        _ => return None,
    };
    Some(First::Unknown { reason, location })
}

/// The appearance of the device starts the unit: by udev's `SYSTEMD_WANTS`, by a link in `dev-….device.wants`, or by a
/// path unit that watches for it.
pub fn started_by_device(
    cx: &Context<'_>,
    systemd: &SystemdFacts,
    unit: &Unit,
    device: &str,
) -> bool {
    let by_udev = cx.facts.udev.known().is_some_and(|udev| {
        udev.wants.iter().any(|w| {
            let names = w.units.contains(&unit.name);
            let matches = w.kernel.as_deref().is_some_and(|k| {
                k.split('|')
                    .any(|p| fnmatch::matches(p, &cx.profile.device))
            });
            names && matches
        })
    });
    let by_link = systemd.unit(device).is_some_and(|d| {
        d.dependencies
            .iter()
            .any(|d| d.kind.pulls_in() && d.other == unit.name)
    });
    let path = cx.device_path();
    let by_path = triggers(systemd, unit, ".path").any(|p| {
        p.settings
            .iter()
            .any(|s| s.section == "Path" && s.key.starts_with("PathExists") && s.value == path)
    });
    by_udev || by_link || by_path
}

/// Units of a type that are started at boot and start the unit later.
fn triggers<'a>(
    systemd: &'a SystemdFacts,
    unit: &'a Unit,
    kind: &'static str,
) -> impl Iterator<Item = &'a Unit> {
    systemd
        .transaction
        .jobs
        .keys()
        .filter(move |name| name.ends_with(kind))
        .filter_map(|name| systemd.unit(name))
        .filter(|t| {
            t.dependencies
                .iter()
                .any(|d| d.kind == DependencyKind::Triggers && d.other == unit.name)
        })
}

/// The unit is a command that ends only when udev has worked off its events, coldplug's included, or has the device.
/// `After=` waits for the end of a oneshot, but only for the start of other services (systemd.service(5), Type=).
fn settles(cx: &Context<'_>, systemd: &SystemdFacts, name: &str) -> bool {
    let Some(unit) = systemd.unit(name).filter(|u| oneshot(u)) else {
        return false;
    };
    let says = |words: &str| {
        unit.exec
            .iter()
            .any(|e| format!("{} {}", e.path, e.arguments.join(" ")).contains(words))
    };
    let waits_for_device = says("udevadm wait") && says(&cx.device_path());
    let coldplug = systemd
        .ordering_ancestors(name)
        .contains("systemd-udev-trigger.service");
    waits_for_device || says("udevadm settle") && coldplug
}

fn oneshot(unit: &Unit) -> bool {
    unit.value("Service", "Type")
        .is_some_and(|s| s.value == "oneshot")
}

/// The driver is loaded by name by a unit that the backdoor waits for.
fn loaded_before(
    cx: &Context<'_>,
    systemd: &SystemdFacts,
    driver: &ModuleState,
    before: &std::collections::BTreeSet<&str>,
) -> bool {
    if !driver.loads.is_empty() && before.contains("systemd-modules-load.service") {
        return true;
    }
    let module = cx.profile.module.replace('-', "_");
    before
        .iter()
        .filter_map(|name| systemd.unit(name))
        .filter(|u| oneshot(u))
        .flat_map(|u| &u.exec)
        .any(|e| {
            let program = e.path.rsplit('/').next().unwrap_or_default();
            program == "modprobe" && e.arguments.iter().any(|a| a.replace('-', "_") == module)
        })
}

/// Something may start the unit again after it was skipped.
fn again(systemd: &SystemdFacts, unit: &Unit) -> Option<String> {
    if let Some(timer) = triggers(systemd, unit, ".timer").next() {
        return Some(format!(
            "{} starts the unit again later, perhaps when the device is there",
            timer.name
        ));
    }
    let upholder = systemd.units.values().find(|u| {
        systemd.transaction.jobs.contains_key(&u.name)
            && u.dependencies
                .iter()
                .any(|d| d.kind == DependencyKind::Upholds && d.other == unit.name)
    })?;
    Some(format!(
        "{} upholds the unit and starts it again, until systemd's rate limit ends that",
        upholder.name
    ))
}
