//! One setting of a unit, of the manager or of journald has a wanted value.

use super::device_race::unit_place;
use super::{Answer, Check, Context, Violation};
use crate::inspect::source::Location;
use crate::inspect::systemd::{DependencyKind, LoadState, Setting};
use crate::known;
use serde::Deserialize;

/// Where the setting stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum In {
    /// In the backdoor unit, or the one in `unit`.
    Unit,
    /// In system.conf and its drop-ins.
    Manager,
    /// In journald.conf and its drop-ins.
    Journald,
    /// On the kernel command line.
    Cmdline,
    /// A dependency of the unit.
    Dependency,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitDirective {
    /// Where.
    #[serde(rename = "in")]
    pub place: In,
    /// Unit, when not the backdoor.
    #[serde(default)]
    pub unit: Option<String>,
    /// Section (`Unit`, `Service`); not used for others.
    #[serde(default = "service")]
    pub section: String,
    /// Key, or the other unit of a dependency.
    pub key: String,
    /// Values that are good; booleans in any spelling. Empty: it only has to be set.
    #[serde(default)]
    pub any_of: Vec<String>,
    /// At least this many seconds, for time values.
    #[serde(default)]
    pub at_least: Option<u64>,
    /// Why.
    pub because: String,
}

fn service() -> String {
    "Service".into()
}

impl Check for UnitDirective {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        let unit = match &self.unit {
            Some(name) => systemd.unit(name),
            None => cx.unit(),
        };
        let setting: Option<&Setting> = match self.place {
            In::Unit | In::Dependency => {
                let Some(unit) = unit.filter(|u| u.load == LoadState::Loaded) else {
                    return Answer::NotApplicable;
                };
                if self.place == In::Dependency {
                    let there = unit.dependencies.iter().any(|d| {
                        matches!(
                            d.kind,
                            DependencyKind::Requires
                                | DependencyKind::BindsTo
                                | DependencyKind::Wants
                        ) && d.other == self.key
                    });
                    return Answer::from_option((!there).then(|| {
                        Violation::at(
                            unit_place(unit),
                            format!(
                                "{} does not require {}: {}",
                                unit.name, self.key, self.because
                            ),
                        )
                    }));
                }
                unit.value(&self.section, &self.key)
            }
            In::Manager => systemd.manager.iter().rev().find(|s| s.key == self.key),
            In::Journald => systemd.journald.iter().rev().find(|s| s.key == self.key),
            In::Cmdline => {
                let cmdline = known!(cx.facts.cmdline);
                let good = cmdline
                    .word(&self.key)
                    .is_some_and(|w| self.good(w.value.as_deref().unwrap_or_default()));
                let place = cmdline
                    .origins
                    .first()
                    .map_or_else(Location::default, |o| o.location());
                return Answer::from_option((!good).then(|| {
                    Violation::at(
                        place,
                        format!("{} is not {}: {}", self.key, self.wanted(), self.because),
                    )
                }));
            }
        };
        match setting {
            Some(s) if self.good(&s.value) => Answer::Satisfied,
            Some(s) => Answer::Violated(vec![Violation::at_line(
                &s.origin,
                format!(
                    "{}={} is not {}: {}",
                    s.key,
                    s.value,
                    self.wanted(),
                    self.because
                ),
            )]),
            None => {
                let place = unit
                    .map(unit_place)
                    .filter(|_| self.place == In::Unit)
                    .unwrap_or_default();
                Answer::Violated(vec![Violation::at(
                    place,
                    format!(
                        "{} is not set to {}: {}",
                        self.key,
                        self.wanted(),
                        self.because
                    ),
                )])
            }
        }
    }
}

impl UnitDirective {
    fn wanted(&self) -> String {
        match self.at_least {
            Some(seconds) => format!("at least {seconds} s"),
            None => self.any_of.join(" or "),
        }
    }

    fn good(&self, value: &str) -> bool {
        if let Some(least) = self.at_least {
            return seconds(value).is_some_and(|s| s >= least as f64);
        }
        self.any_of.is_empty()
            || self.any_of.iter().any(|want| {
                want == value || boolean(want).is_some_and(|b| boolean(value) == Some(b))
            })
    }
}

fn boolean(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "on" | "y" | "t" => Some(true),
        "no" | "false" | "0" | "off" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// systemd.time(7), as far as timeouts use it.
pub fn seconds(value: &str) -> Option<f64> {
    if value == "infinity" {
        return Some(f64::INFINITY);
    }
    let mut total = 0.0;
    for part in value.split_whitespace() {
        let digits = part.trim_end_matches(|c: char| c.is_alphabetic());
        let number: f64 = digits.parse().ok()?;
        total += number
            * match &part[digits.len()..] {
                "" | "s" | "sec" | "second" | "seconds" => 1.0,
                "ms" | "msec" => 0.001,
                "m" | "min" | "minute" | "minutes" => 60.0,
                "h" | "hr" | "hour" | "hours" => 3600.0,
                _ => return None,
            };
    }
    Some(total)
}
