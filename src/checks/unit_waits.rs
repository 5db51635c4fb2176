//! Devices and units that the backdoor unit requires and that never come.

use super::{Answer, Check, Context, Machine, Presence, Violation};
use crate::inspect::systemd::{DependencyKind, LoadState, Reason};
use crate::known;
use serde::Deserialize;

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitWaits {
    /// Device names (without `/dev/`) that the machine has besides those of the test driver.
    #[serde(default)]
    pub devices: Vec<String>,
}

impl Check for UnitWaits {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        let Some(unit) = cx.unit().filter(|u| u.load == LoadState::Loaded) else {
            return Answer::NotApplicable;
        };
        let mut violations = Vec::new();
        for dependency in &unit.dependencies {
            let Reason::Line(origin) = &dependency.reason else {
                continue;
            };
            let hard = matches!(
                dependency.kind,
                DependencyKind::Requires | DependencyKind::BindsTo | DependencyKind::Requisite
            );
            if !hard {
                continue;
            }
            if let Some(node) = Machine::node_of_unit(&dependency.other) {
                let name = node.trim_start_matches("/dev/");
                let without = match cx.machine().device(&node) {
                    Presence::Never => format!("the test driver's machine has no {node}"),
                    Presence::NodeOnly => {
                        format!(
                            "{node} has no hardware behind it there, so udev never announces it"
                        )
                    }
                    _ => continue,
                };
                if !self.devices.iter().any(|d| d == name) {
                    violations.push(Violation::at_line(
                        origin,
                        format!("{} requires {}, but {without}: the job times out and the unit fails with it", unit.name, dependency.other),
                    ));
                }
                continue;
            }
            let other = systemd.unit(&dependency.other);
            let gone = other.is_none_or(|u| u.load == LoadState::NotFound)
                && !dependency.other.ends_with(".device")
                && !dependency.other.ends_with(".mount")
                && !dependency.other.ends_with(".slice");
            let masked = other.is_some_and(|u| u.load == LoadState::Masked);
            if gone || masked {
                let state = if masked {
                    "is masked"
                } else {
                    "does not exist"
                };
                violations.push(Violation::at_line(
                    origin,
                    format!("{} requires {}, which {state}", unit.name, dependency.other),
                ));
            }
        }
        Answer::from_violations(violations)
    }
}
