//! What a shipped image must not contain.

use super::device_race::unit_place;
use super::{Answer, Check, Context, Violation};
use crate::inspect::error::Fact;
use crate::inspect::source::Location;
use crate::inspect::systemd::LoadState;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// No unit gives a shell without login.
    NoBackdoor,
    /// No debug shell is started.
    NoDebugShell,
    /// No terminal logs in by itself.
    NoAutologin,
    /// root has a password or is locked.
    RootProtected,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Production {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for Production {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        match self.aspect {
            Aspect::NoBackdoor => Answer::from_option(cx.unit().filter(|u| u.load == LoadState::Loaded).map(|u| {
                let started = if systemd.transaction.jobs.contains_key(&u.name) { "is started at boot" } else { "is in the image" };
                Violation::at(unit_place(u), format!("the test backdoor {} {started}: it gives a root shell without a password", u.name))
            })),
            Aspect::NoDebugShell => {
                let unit = systemd.unit("debug-shell.service").filter(|u| u.load == LoadState::Loaded && systemd.transaction.jobs.contains_key(&u.name));
                Answer::from_option(unit.map(|u| Violation::at(unit_place(u), "debug-shell.service is started at boot: a root shell without a password on tty9")))
            }
            Aspect::NoAutologin => Answer::from_violations(
                systemd
                    .units
                    .values()
                    .filter(|u| u.load == LoadState::Loaded && u.name.contains("getty"))
                    .flat_map(|u| u.exec.iter().filter(|e| e.arguments.iter().any(|a| (a.starts_with("-a") && !a.starts_with("--")) || a.starts_with("--autologin"))).map(move |e| Violation::at_line(&e.origin, format!("{} logs in without a password", u.name))))
                    .collect(),
            ),
            Aspect::RootProtected => match &cx.facts.root_password {
                Fact::Known(state) => {
                    let open = match state.as_str() {
                        "empty" => Some("/etc/shadow"),
                        "none" => Some("/etc/passwd"),
                        _ => None,
                    };
                    Answer::from_option(open.map(|file| {
                        let place = cx.facts.rootfs.known().map(|r| Location::file(&r.partition, file));
                        Violation::at(place.unwrap_or_default(), "root has an empty password")
                    }))
                }
                other => Answer::without(other),
            },
        }
    }
}
