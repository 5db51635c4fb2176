//! Nothing but the backdoor may own or write to the shell device.

use super::{Answer, Check, Context, Violation};
use crate::inspect::systemd::LoadState;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// No getty is started on the shell device.
    NoGetty,
    /// systemd and journald do not write to it.
    NoLog,
    /// Masks, units and links lie where systemd looks for them.
    NoStrayUnits,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Getty {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for Getty {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        match self.aspect {
            Aspect::NoGetty => no_getty(cx),
            Aspect::NoLog => no_log(cx),
            Aspect::NoStrayUnits => Answer::from_violations(
                systemd
                    .stray
                    .iter()
                    .map(|s| {
                        Violation::at(
                            s.location.clone(),
                            format!(
                                "this {} lies where systemd never looks; it belongs to {}",
                                s.kind, s.expected
                            ),
                        )
                    })
                    .collect(),
            ),
        }
    }
}

fn no_getty(cx: &Context<'_>) -> Answer {
    let systemd = known!(cx.facts.systemd);
    let path = cx.device_path();
    let own = cx.unit_name();
    let mut violations = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    for getty in systemd
        .gettys
        .iter()
        .filter(|g| g.tty == cx.profile.device && g.masked.is_none() && g.unit != own)
    {
        if conflicts_win(cx, &getty.unit) {
            continue;
        }
        named.push(&getty.unit);
        let place = getty.location.clone().unwrap_or_else(|| {
            systemd
                .unit(&getty.unit)
                .and_then(|u| u.fragment.clone())
                .unwrap_or_default()
        });
        violations.push(Violation::at(
            place,
            format!(
                "{} is started on {path} ({}): its login prompt gets into the shell's channel",
                getty.unit, getty.by
            ),
        ));
    }
    // Any other service of the boot that takes the device for its terminal.
    for name in systemd
        .transaction
        .jobs
        .keys()
        .filter(|n| *n != own && !named.contains(&n.as_str()))
    {
        let Some(unit) = systemd.unit(name).filter(|u| u.load == LoadState::Loaded) else {
            continue;
        };
        let tty = unit.value("Service", "TTYPath").filter(|s| s.value == path);
        let uses = unit
            .value("Service", "StandardInput")
            .is_some_and(|s| s.value.starts_with("tty"))
            || unit
                .value("Service", "StandardOutput")
                .is_some_and(|s| s.value.starts_with("tty"));
        let getty = unit.exec.iter().find(|e| {
            e.directive == "ExecStart"
                && e.path.contains("getty")
                && e.arguments
                    .iter()
                    .any(|a| a == &cx.profile.device || a == &path)
        });
        if let Some(s) = tty.filter(|_| uses) {
            violations.push(Violation::at_line(
                &s.origin,
                format!("{name} takes {path} for its terminal, beside the backdoor"),
            ));
        } else if let Some(exec) = getty {
            violations.push(Violation::at_line(
                &exec.origin,
                format!("{name} starts a getty on {path}, beside the backdoor"),
            ));
        }
    }
    Answer::from_violations(violations)
}

/// A conflict between two jobs of the boot drops one of them; systemd reported which in the transaction.
fn conflicts_win(cx: &Context<'_>, getty: &str) -> bool {
    cx.systemd()
        .is_some_and(|s| s.transaction.dropped.iter().any(|(name, _)| name == getty))
}

fn no_log(cx: &Context<'_>) -> Answer {
    let systemd = known!(cx.facts.systemd);
    let path = cx.device_path();
    let mut violations = Vec::new();
    let value = |key: &str| systemd.journald.iter().rev().find(|s| s.key == key);
    let forwards = value("ForwardToConsole")
        .is_some_and(|s| matches!(s.value.as_str(), "yes" | "true" | "1" | "on"));
    if forwards && let Some(tty) = value("TTYPath").filter(|s| s.value == path) {
        violations.push(Violation::at_line(
            &tty.origin,
            format!("journald forwards every message to {path}: log text gets into the protocol"),
        ));
    }
    // systemd's status lines go to /dev/console, which is the last console= of the command line.
    let cmdline = cx.facts.cmdline.known();
    if let Some(word) = cmdline.and_then(|c| {
        c.words
            .iter()
            .find(|w| w.key == "systemd.log_target" && w.value.as_deref() == Some("console"))
    }) {
        let last = cmdline
            .and_then(|c| c.value("console"))
            .map(|v| v.split(',').next().unwrap_or_default());
        if last == Some(cx.profile.device.as_str()) {
            let message = format!("systemd logs to the console, which is {path}");
            violations.push(match &word.place {
                Some((origin, _)) => Violation::at_line(origin, message),
                None => Violation::at(Default::default(), message),
            });
        }
    }
    Answer::from_violations(violations)
}
