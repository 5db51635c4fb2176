//! Devices and units that the backdoor unit requires and that never come.

use super::{Answer, Check, Context, Violation};
use crate::inspect::systemd::{DependencyKind, LoadState, Reason};
use crate::known;
use serde::Deserialize;

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitWaits {
    /// Device names (without `/dev/`) that the machine has besides the shell device.
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
            if let Some(name) = console_device(&dependency.other) {
                if name != cx.profile.device && !self.devices.contains(&name) {
                    violations.push(Violation::at_line(
                        origin,
                        format!("{} requires {}, but the test driver's machine has no /dev/{name}: the job times out and the unit fails with it", unit.name, dependency.other),
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

/// `dev-ttyS5.device` → `ttyS5`; none for devices whose presence cannot be told.
fn console_device(unit: &str) -> Option<String> {
    let name = unit.strip_prefix("dev-")?.strip_suffix(".device")?;
    let certain = name.starts_with("tty") || name.starts_with("hvc") || name.starts_with("vport");
    certain.then(|| name.to_owned())
}
