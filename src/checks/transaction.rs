//! The initial transaction: its target, its cycles, what holds it up.

use super::device_race::unit_place;
use super::{Answer, Check, Context, Violation};
use crate::inspect::source::Location;
use crate::inspect::systemd::{LoadState, Reason, SystemdFacts};
use crate::known;
use crate::rules::Severity;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The target that boots exists and is the one the unit belongs to.
    TargetFits,
    /// No ordering cycle drops the unit or its target.
    NoCycle,
    /// No first-boot question waits on the console.
    NoPrompt,
    /// The unit does not wait for the network.
    NoNetworkWait,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionCheck {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for TransactionCheck {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        match self.aspect {
            Aspect::TargetFits => target_fits(cx, systemd),
            Aspect::NoCycle => no_cycle(cx, systemd),
            Aspect::NoPrompt => no_prompt(cx, systemd),
            Aspect::NoNetworkWait => no_network_wait(cx, systemd),
        }
    }
}

fn target_fits(cx: &Context<'_>, systemd: &SystemdFacts) -> Answer {
    let t = &systemd.transaction;
    let anchor = systemd.unit(&t.anchor);
    let place = || anchor.map(unit_place).unwrap_or_default();
    if let Some(why) = &t.refused {
        return Answer::Violated(vec![Violation::at(
            place(),
            format!("systemd cannot start {}: {why}", t.anchor),
        )]);
    }
    match anchor.map(|u| u.load) {
        None | Some(LoadState::NotFound) => {
            return Answer::Violated(vec![Violation::at(
                Location::file("rootfs", "/etc/systemd/system/default.target"),
                format!(
                    "{} ({}) does not exist: systemd falls into rescue mode",
                    t.anchor, t.anchor_reason
                ),
            )]);
        }
        Some(LoadState::Masked) => {
            return Answer::Violated(vec![Violation::at(
                place(),
                format!("{} ({}) is masked", t.anchor, t.anchor_reason),
            )]);
        }
        _ => {}
    }
    let name = cx.unit_name();
    if t.jobs.contains_key(name) {
        return Answer::Satisfied;
    }
    // The unit hangs on a target, and the boot goes to another one.
    let hangs_on = systemd.units.values().find(|u| {
        u.name != t.anchor
            && u.name.ends_with(".target")
            && u.dependencies.iter().any(|d| {
                d.kind.pulls_in()
                    && d.other == name
                    && matches!(d.reason, Reason::Link(_) | Reason::Line(_))
            })
    });
    let Some(target) = hangs_on.filter(|target| !t.jobs.contains_key(&target.name)) else {
        return Answer::NotApplicable;
    };
    let usual = matches!(
        target.name.as_str(),
        "multi-user.target"
            | "graphical.target"
            | "default.target"
            | "basic.target"
            | "sysinit.target"
            | "getty.target"
    );
    if !usual {
        return Answer::NotApplicable;
    }
    Answer::Violated(vec![Violation::at(
        place(),
        format!(
            "the boot goes to {} ({}), which stops short of {}, where {name} hangs",
            t.anchor, t.anchor_reason, target.name
        ),
    )])
}

fn no_cycle(cx: &Context<'_>, systemd: &SystemdFacts) -> Answer {
    let name = cx.unit_name();
    let mut violations = Vec::new();
    for cycle in &systemd.transaction.cycles {
        let chain = cycle.units.join(" → ");
        let origin = cycle.edges.iter().find_map(|(_, d)| match &d.reason {
            Reason::Line(origin) => Some(origin.clone()),
            _ => None,
        });
        let loses_own = cycle.candidates.iter().any(|c| c == name);
        let certain = cycle.deleted.as_deref() == Some(name) && cycle.candidates.len() == 1;
        let dropped = if cycle.candidates.is_empty() {
            "the whole transaction is refused".to_owned()
        } else {
            format!("systemd drops one of: {}", cycle.candidates.join(", "))
        };
        let message = format!("ordering cycle {chain}; {dropped}");
        let found = match &origin {
            Some(origin) => Violation::at_line(origin, message),
            None => Violation::at(Location::default(), message),
        };
        let harmless =
            !loses_own && !cycle.units.iter().any(|u| u == name) && !cycle.candidates.is_empty();
        violations.push(if harmless && !certain {
            found.severity(Severity::Warning)
        } else {
            found
        });
    }
    Answer::from_violations(violations)
}

fn no_prompt(cx: &Context<'_>, systemd: &SystemdFacts) -> Answer {
    let Some(unit) = systemd.unit("systemd-firstboot.service") else {
        return Answer::NotApplicable;
    };
    if !systemd.first_boot
        || unit.load != LoadState::Loaded
        || !systemd.transaction.jobs.contains_key(&unit.name)
    {
        return Answer::NotApplicable;
    }
    if cx.facts.cmdline.known().is_some_and(|c| {
        c.value("systemd.firstboot")
            .is_some_and(|v| matches!(v, "no" | "0" | "false" | "off"))
    }) {
        return Answer::Satisfied;
    }
    let prompts = unit.exec.iter().find(|e| {
        e.directive == "ExecStart" && e.arguments.iter().any(|a| a.starts_with("--prompt"))
    });
    let Some(exec) = prompts else {
        return Answer::Satisfied;
    };
    let asked = &systemd.firstboot_questions;
    if asked.is_empty() {
        return Answer::Satisfied;
    }
    Answer::Violated(vec![Violation::at_line(
        &exec.origin,
        format!(
            "this is a first boot (no machine-id), and systemd-firstboot asks on the console for {} before the boot goes on",
            asked.join(", ")
        ),
    )])
}

const WAITERS: &[&str] = &[
    "systemd-networkd-wait-online.service",
    "NetworkManager-wait-online.service",
    "ifupdown-wait-online.service",
    "connman-wait-online.service",
];

fn no_network_wait(cx: &Context<'_>, systemd: &SystemdFacts) -> Answer {
    let name = cx.unit_name();
    if !systemd.transaction.jobs.contains_key(name) {
        return Answer::NotApplicable;
    }
    let before = systemd.ordering_ancestors(name);
    let waiter = WAITERS.iter().find(|w| {
        before.contains(**w) && systemd.unit(w).is_some_and(|u| u.load == LoadState::Loaded)
    });
    Answer::from_option(waiter.map(|w| {
        let place = systemd.unit(w).map(unit_place).unwrap_or_default();
        Violation::at(
            place,
            format!(
                "{name} starts only after {w}, which waits for a network that a test may not have"
            ),
        )
    }))
}
