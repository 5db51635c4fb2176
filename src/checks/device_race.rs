//! The race for the shell device: a unit that checks for a device which nothing makes it wait for.

use super::{Answer, Check, Context, Violation};
use crate::inspect::systemd::{Dependency, DependencyKind, LoadState, Reason, SystemdFacts, Unit};
use crate::known;
use crate::rules::Severity;
use serde::Deserialize;
use std::collections::BTreeSet;

/// No parameters: unit and device come from the profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRace {}

/// Units that end only when udev has worked off the coldplug events (systemd-udev-settle(8)).
const SETTLES: &[&str] = &["systemd-udev-settle.service"];

impl Check for DeviceRace {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        let Some(unit) = cx.unit().filter(|u| u.load == LoadState::Loaded) else {
            return Answer::NotApplicable;
        };
        if !systemd.transaction.jobs.contains_key(&unit.name) {
            return Answer::NotApplicable;
        }
        let modules = match cx.facts.modules.known() {
            Some(modules) => modules,
            None => return Answer::without(&cx.facts.modules),
        };
        let Some(driver) = modules.states.get(&cx.profile.module) else {
            return Answer::NotApplicable;
        };
        // A driver that can never load is another rule's business.
        if driver.builtin || driver.loaded_in_initrd {
            return Answer::Satisfied;
        }
        if cx.facts.initrd.known().is_some_and(|i| i.skipped) && driver.in_initrd {
            return Answer::CannotTell {
                reason: "the initrd was not read".into(),
                location: unit_place(unit),
            };
        }
        let Some(need) = Need::of(unit, cx) else {
            return Answer::NotApplicable;
        };
        let device = cx.device_unit();
        if pulled_in_before(systemd, unit, &device) || waits_for_settle(systemd, unit) {
            return Answer::Satisfied;
        }
        Answer::Violated(vec![violation(cx, systemd, unit, &need, &device)])
    }
}

/// Why the unit needs the device at the moment it starts.
enum Need<'a> {
    Condition(&'a crate::inspect::systemd::Setting),
    Stdio(&'a crate::inspect::systemd::Setting),
    Script(String),
}

impl<'a> Need<'a> {
    fn of(unit: &'a Unit, cx: &Context<'_>) -> Option<Need<'a>> {
        let path = cx.device_path();
        let keys = [
            "ConditionPathExists",
            "AssertPathExists",
            "ConditionPathIsReadWrite",
            "ConditionPathExistsGlob",
        ];
        for key in keys {
            if let Some(setting) = unit
                .values("Unit", key)
                .find(|s| s.value.trim_start_matches(['!', '|']) == path && !s.value.contains('!'))
            {
                return Some(Need::Condition(setting));
            }
        }
        let stdio = ["StandardInput", "StandardOutput"].iter().find_map(|key| {
            unit.value("Service", key)
                .filter(|s| s.value.starts_with("tty") || s.value.ends_with(&path))
        });
        let tty = unit.value("Service", "TTYPath").filter(|s| s.value == path);
        if let (Some(_), Some(tty)) = (stdio, tty) {
            return Some(Need::Stdio(tty));
        }
        if let Some(direct) = stdio.filter(|s| s.value.ends_with(&path)) {
            return Some(Need::Stdio(direct));
        }
        // A script that opens the device without waiting for it fails just so; with Restart= it gets another chance.
        let restarts = unit
            .value("Service", "Restart")
            .is_some_and(|s| s.value != "no");
        let script = super::script_text::script(cx)?;
        let uses = super::script_text::redirects(&script.text)
            .into_iter()
            .any(|(_, target)| target == path);
        let waits = super::script_text::waits_for(&script.text, &path);
        (uses && !waits && !restarts).then(|| Need::Script(script.path.clone()))
    }
}

/// Whether the device's job is in the transaction and the unit is ordered behind it, so that `After=` has something to wait for.
fn pulled_in_before(systemd: &SystemdFacts, unit: &Unit, device: &str) -> bool {
    systemd.transaction.jobs.contains_key(device) && ordered_after(systemd, &unit.name, device)
}

/// Whether `unit` waits for `target` in the transaction, directly or through others.
pub fn ordered_after(systemd: &SystemdFacts, unit: &str, target: &str) -> bool {
    ancestors(systemd, unit).contains(target)
}

/// Everything that must finish before `unit` starts.
pub fn ancestors<'a>(systemd: &'a SystemdFacts, unit: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut pending: Vec<&str> = systemd
        .transaction
        .waits_for
        .get(unit)
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    while let Some(next) = pending.pop() {
        if seen.insert(next) {
            pending.extend(
                systemd
                    .transaction
                    .waits_for
                    .get(next)
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
        }
    }
    seen
}

fn waits_for_settle(systemd: &SystemdFacts, unit: &Unit) -> bool {
    let before = ancestors(systemd, &unit.name);
    SETTLES.iter().any(|s| before.contains(s))
}

fn violation(
    cx: &Context<'_>,
    systemd: &SystemdFacts,
    unit: &Unit,
    need: &Need<'_>,
    device: &str,
) -> Violation {
    let path = cx.device_path();
    let module = &cx.profile.module;
    let after = unit
        .dependencies
        .iter()
        .find(|d| d.kind == DependencyKind::After && d.other == device);
    let pulls = systemd.transaction.jobs.contains_key(device);
    let mut evidence = vec![
        format!("{module} is a module of this kernel, not built in"),
        format!(
            "{module} is not loaded by the initrd, so {path} appears only after udev's coldplug"
        ),
        if pulls {
            format!(
                "{device} is pulled in, but {} is not ordered after it",
                unit.name
            )
        } else {
            format!(
                "nothing in the transaction of {} wants, requires or binds to {device}",
                systemd.transaction.anchor
            )
        },
    ];
    if let Some(Dependency {
        reason: Reason::Line(origin),
        ..
    }) = after.filter(|_| !pulls)
    {
        evidence.push(format!(
            "After={device} ({}) only orders; it pulls nothing in",
            origin.location()
        ));
    }
    if unit
        .value("Unit", "DefaultDependencies")
        .is_some_and(|s| matches!(s.value.as_str(), "no" | "false" | "0" | "off"))
    {
        evidence
            .push("DefaultDependencies=no: the unit does not even wait for sysinit.target".into());
    }
    if let Some(getty) = systemd
        .gettys
        .iter()
        .find(|g| g.tty == cx.profile.device && g.masked.is_some())
    {
        evidence.push(format!("{} is masked, as it should be; it was the other unit that would have pulled {device} in", getty.unit));
    }
    let loads = cx
        .facts
        .modules
        .known()
        .and_then(|m| m.states.get(module))
        .map(|s| s.loads.as_slice())
        .unwrap_or_default();
    if let Some(line) = loads.first() {
        let place = line.origin.as_ref().map_or_else(
            || "the command line".to_owned(),
            |o| o.location().to_string(),
        );
        evidence.push(format!("{module} is loaded by name ({place}), which makes the race likelier to be won and leaves it open"));
    }
    let message = match need {
        Need::Condition(s) => format!(
            "{} checks {}={} once, and nothing makes it wait for the device: it is skipped for good when it loses the race",
            unit.name, s.key, s.value
        ),
        Need::Stdio(s) => format!(
            "{} opens {} ({}=), and nothing makes it wait for the device",
            unit.name, path, s.key
        ),
        Need::Script(script) => format!(
            "{script} opens {path}, and nothing makes {} wait for the device",
            unit.name
        ),
    };
    let found = match need {
        Need::Condition(s) | Need::Stdio(s) => Violation::at_line(&s.origin, message),
        Need::Script(_) => Violation::at(unit_place(unit), message),
    };
    let found = found.because(evidence);
    // A script without a condition fails loudly, and is seen.
    if matches!(need, Need::Script(_)) {
        found.severity(Severity::Warning)
    } else {
        found
    }
}

/// Where a unit lies, for messages about the whole of it.
pub fn unit_place(unit: &Unit) -> crate::inspect::source::Location {
    unit.fragment.clone().unwrap_or_default()
}
