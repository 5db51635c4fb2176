//! systemd units: effective settings after drop-ins, enablement, masks, and their part in the boot.

use super::Sides;
use super::change::{Change, Weight, differing};
use super::normal::Names;
use crate::inspect::facts::Facts;
use crate::inspect::source::Location;
use crate::inspect::systemd::{LoadState, Unit};
use crate::stage::Stage;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn compare(sides: &Sides<'_>, out: &mut Vec<Change>) {
    let (good, bad) = (
        described(sides.good, &sides.good_names),
        described(sides.bad, &sides.bad_names),
    );
    let chain: BTreeSet<String> = [sides.good, sides.bad]
        .into_iter()
        .flat_map(chain_units)
        .collect();
    for (name, a, b) in differing(&good, &bad) {
        let stage = stage(name, sides.bad);
        let weight = if chain.contains(name) {
            Weight::Chain
        } else {
            Weight::Detail
        };
        let place = b.or(a).and_then(|d| d.location.clone());
        for (subject, good, bad) in parts(a, b) {
            out.extend(
                Change::of(stage, subject, good, bad)
                    .map(|c| c.named(name).weighing(weight).at(place.clone())),
            );
        }
    }
}

/// What is compared of a unit. Places are not: another file with the same settings is the same unit.
#[derive(Debug)]
struct Described {
    state: String,
    settings: Vec<String>,
    started: String,
    location: Option<Location>,
}

impl PartialEq for Described {
    fn eq(&self, other: &Self) -> bool {
        (&self.state, &self.settings, &self.started)
            == (&other.state, &other.settings, &other.started)
    }
}

/// The units that decide over the shell, whatever else differs.
fn chain_units(facts: &Facts) -> Vec<String> {
    let device = &facts.profile.device;
    let mut units = vec![
        format!("dev-{device}.device"),
        format!("serial-getty@{device}.service"),
        format!("getty@{device}.service"),
        format!("serial-getty@{}.service", facts.profile.console),
        facts.profile.unit.clone(),
        "systemd-udevd.service".into(),
        "systemd-udev-trigger.service".into(),
        "systemd-modules-load.service".into(),
    ];
    units.extend(facts.backdoor.clone());
    if let Some(systemd) = facts.systemd.known() {
        units.push(systemd.transaction.anchor.clone());
        let backdoor = facts.backdoor.as_ref();
        let before = backdoor.and_then(|b| systemd.transaction.waits_for.get(b));
        units.extend(before.into_iter().flatten().cloned());
    }
    units
}

fn stage(unit: &str, facts: &Facts) -> Stage {
    let device = facts.profile.device.as_str();
    if facts.backdoor.as_deref() == Some(unit) || unit == facts.profile.unit {
        Stage::Unit
    } else if unit.contains(&format!("@{device}.")) || unit == format!("dev-{device}.device") {
        Stage::Device
    } else {
        Stage::Systemd
    }
}

fn described(facts: &Facts, names: &Names) -> BTreeMap<String, Described> {
    let Some(systemd) = facts.systemd.known() else {
        return BTreeMap::new();
    };
    let device = format!("dev-{}.device", facts.profile.device);
    let units = systemd.units.values();
    units
        .filter(|u| u.name == device || is_told(u))
        .map(|unit| {
            let job = systemd.transaction.jobs.get(&unit.name);
            let by = job.and_then(|j| j.pulled_in_by.first());
            let started = match (job, by) {
                (None, _) => "nothing".to_owned(),
                (Some(_), None) => "the boot itself".into(),
                (Some(_), Some((by, kind))) => format!("{} ({kind:?}=)", names.plain(by)),
            };
            let settings = unit
                .settings
                .iter()
                .map(|s| format!("[{}] {}={}", s.section, s.key, names.path(&s.value)));
            let location = unit.fragment.clone();
            let described = Described {
                state: state(unit),
                settings: settings.collect(),
                started,
                location: unit.mask_location.clone().or(location),
            };
            (names.plain(&unit.name), described)
        })
        .collect()
}

/// Names without a file behind them are in the list because others mention them.
fn is_told(unit: &Unit) -> bool {
    unit.load != LoadState::NotFound && (unit.fragment.is_some() || unit.masked_by.is_some())
}

fn state(unit: &Unit) -> String {
    let load = match unit.load {
        LoadState::Loaded => "",
        LoadState::NotFound => "not found, ",
        LoadState::Masked => return "masked".into(),
        LoadState::BadSetting => "refused by systemd, ",
        LoadState::Error => "unreadable, ",
    };
    format!("{load}{}", unit.unit_file_state)
}

type Part = (&'static str, Option<String>, Option<String>);

/// State, settings and part in the boot, each told by itself.
fn parts(good: Option<&Described>, bad: Option<&Described>) -> Vec<Part> {
    let (Some(a), Some(b)) = (good, bad) else {
        let whole =
            |d: Option<&Described>| d.map(|d| format!("{}, started by {}", d.state, d.started));
        return vec![("unit", whole(good), whole(bad))];
    };
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    for line in &a.settings {
        if !b.settings.contains(line) {
            gone.push(line.clone());
        }
    }
    for line in &b.settings {
        if !a.settings.contains(line) {
            new.push(line.clone());
        }
    }
    if gone.is_empty() && new.is_empty() && a.settings != b.settings {
        // The same lines in another order: it matters for ExecStart= and its like.
        gone = a.settings.clone();
        new = b.settings.clone();
    }
    let joined = |lines: Vec<String>| (!lines.is_empty()).then(|| lines.join("; "));
    vec![
        ("unit state", Some(a.state.clone()), Some(b.state.clone())),
        ("unit settings", joined(gone), joined(new)),
        (
            "unit started by",
            Some(a.started.clone()),
            Some(b.started.clone()),
        ),
    ]
}
