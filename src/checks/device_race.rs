//! The race for the shell device: a unit that needs the device when it starts, while nothing makes it wait for it.

pub mod first;
mod need;

pub use first::{First, first};
pub use need::{Need, streams_need};

use super::{Answer, Check, Confidence, Context, Evidence, Violation};
use crate::inspect::source::Location;
use crate::inspect::systemd::{DependencyKind, Reason, SystemdFacts, Unit};
use crate::rules::Severity;
use crate::{known, or_answer};
use serde::Deserialize;

/// No parameters: unit and device come from the profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRace {}

impl Check for DeviceRace {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        let unit = or_answer!(cx.loaded_unit());
        let Some(need) = Need::of(unit, cx) else {
            return Answer::NotApplicable;
        };
        judge_need(cx, systemd, unit, &need)
    }
}

/// Whether the device is certain to exist when the unit needs it.
pub fn judge_need(
    cx: &Context<'_>,
    systemd: &SystemdFacts,
    unit: &Unit,
    need: &Need<'_>,
) -> Answer {
    if !systemd.transaction.jobs.contains_key(&unit.name) {
        // Started by the device itself, or by nothing.
        return Answer::NotApplicable;
    }
    match first(cx, systemd, unit) {
        First::Certain => Answer::Satisfied,
        First::Moot => Answer::NotApplicable,
        First::Unknown { reason, location } => Answer::CannotTell { reason, location },
        First::Likelier(why) => violation(cx, systemd, unit, need)
            .because([why])
            .severity(Severity::Warning)
            .confidence(Confidence::Possible)
            .into(),
        First::No => violation(cx, systemd, unit, need).into(),
    }
}

/// Where a unit lies, for messages about the whole of it.
pub fn unit_place(unit: &Unit) -> Location {
    unit.fragment.clone().unwrap_or_default()
}

fn violation(cx: &Context<'_>, systemd: &SystemdFacts, unit: &Unit, need: &Need<'_>) -> Violation {
    let path = cx.device_path();
    let message = match need {
        Need::Condition(s) => format!(
            "{} checks {}={} once, and nothing makes it wait for the device: it is skipped for good when it loses the race",
            unit.name, s.key, s.value
        ),
        Need::Stdio(s) => format!(
            "{} opens {path} ({}=), and nothing makes it wait for the device",
            unit.name, s.key
        ),
        Need::Script(origin) => format!(
            "{} opens {path}, and nothing makes {} wait for the device",
            origin.file.path, unit.name
        ),
    };
    let origin = match need {
        Need::Condition(s) | Need::Stdio(s) => &s.origin,
        Need::Script(origin) => origin,
    };
    Violation::at_line(origin, message)
        .because(reasons(cx, systemd, unit))
        .confidence(Confidence::Likely)
}

/// The chain of reasons, in the order in which one asks.
fn reasons(cx: &Context<'_>, systemd: &SystemdFacts, unit: &Unit) -> Vec<Evidence> {
    let device = cx.device_unit();
    let mut out = driver_reasons(cx);
    let pulled = systemd.transaction.jobs.contains_key(&device);
    out.push(if pulled {
        format!(
            "{device} is pulled in, but {} is not ordered after it",
            unit.name
        )
        .into()
    } else {
        format!(
            "nothing pulls {device} in: of the {} jobs of {}, none wants, requires or binds to it, nor does a udev rule, a generator or a systemd.wants= word",
            systemd.transaction.jobs.len(),
            systemd.transaction.anchor
        )
        .into()
    });
    let after = unit
        .dependencies
        .iter()
        .find(|d| d.kind == DependencyKind::After && d.other == device);
    if let Some(Reason::Line(origin)) = after.map(|d| &d.reason).filter(|_| !pulled) {
        let text = format!("After={device} only orders jobs that exist; it pulls nothing in");
        out.push(Evidence::at_line(origin, text));
    }
    let trigger = systemd
        .ordering_ancestors(&unit.name)
        .contains("systemd-udev-trigger.service");
    let alone = unit
        .value("Unit", "DefaultDependencies")
        .filter(|s| is_no(&s.value));
    match alone {
        Some(s) if !trigger => out.push(Evidence::at_line(
            &s.origin,
            "the unit does not wait for sysinit.target, so it starts before udev's coldplug, which loads the driver",
        )),
        _ if trigger => out.push(
            "the unit waits until udev's coldplug was started, and not until it was worked off".into(),
        ),
        _ => {}
    }
    for getty in systemd.gettys.iter().filter(|g| g.tty == cx.profile.device) {
        if getty.masked.is_some() {
            let text = format!(
                "{} is masked, as it should be; it was the other unit that would have pulled {device} in",
                getty.unit
            );
            out.push(match &getty.location {
                Some(location) => Evidence::at(location, text),
                None => text.into(),
            });
        }
    }
    out
}

fn driver_reasons(cx: &Context<'_>) -> Vec<Evidence> {
    let module = &cx.profile.module;
    let path = cx.device_path();
    let mut out = Vec::new();
    let state = cx
        .facts
        .modules
        .known()
        .and_then(|m| m.states.get(&module.replace('-', "_")));
    let release = cx.facts.kernel.known().and_then(|k| k.release.as_deref());
    let text = format!(
        "{module} is a module of {}, not built in",
        release.unwrap_or("this kernel")
    );
    out.push(match state.and_then(|s| s.file.known()) {
        Some(file) => Evidence::at(file, text),
        None => text.into(),
    });
    let inside = state.is_some_and(|s| s.in_initrd);
    let text = format!(
        "the initrd does not {} it, so {path} appears only when udev's coldplug in the root file system loads it",
        if inside { "load" } else { "hold" }
    );
    let initrd = cx.facts.initrd.known().and_then(|i| i.files.first());
    out.push(match initrd {
        Some(file) => Evidence::at(file, text),
        None => text.into(),
    });
    if let Some(line) = state.and_then(|s| s.loads.first()) {
        let text = format!(
            "{module} is also loaded by name, which makes the race likelier to be won and leaves it open: the unit is not ordered after systemd-modules-load.service"
        );
        out.push(match &line.origin {
            Some(origin) => Evidence::at_line(origin, text),
            None => text.into(),
        });
    }
    out
}

/// systemd's spellings of no.
pub fn is_no(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "no" | "n" | "false" | "f" | "0" | "off"
    )
}

#[cfg(test)]
mod tests;
