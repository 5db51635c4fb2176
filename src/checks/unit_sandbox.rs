//! Sandbox settings that hide the shell device from the service.

use super::{Answer, Check, Context, Violation};
use crate::inspect::systemd::LoadState;
use crate::known;
use serde::Deserialize;

/// No parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitSandbox {}

fn yes(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "yes" | "true" | "1" | "on" | "y" | "t"
    )
}

impl Check for UnitSandbox {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        known!(cx.facts.systemd);
        let Some(unit) = cx.unit().filter(|u| u.load == LoadState::Loaded) else {
            return Answer::NotApplicable;
        };
        let path = cx.device_path();
        let hides = |why: &str| format!("{why} hides {path} from the script");
        let mut violations = Vec::new();
        if let Some(s) = unit
            .value("Service", "PrivateDevices")
            .filter(|s| yes(&s.value))
        {
            violations.push(Violation::at_line(
                &s.origin,
                hides("PrivateDevices=yes gives the service a /dev of its own, which"),
            ));
        }
        let allowed: Vec<&str> = unit
            .values("Service", "DeviceAllow")
            .map(|s| s.value.split_whitespace().next().unwrap_or_default())
            .collect();
        if let Some(s) = unit
            .value("Service", "DevicePolicy")
            .filter(|s| matches!(s.value.as_str(), "closed" | "strict"))
        {
            let covered = allowed.iter().any(|d| {
                *d == path
                    || *d == "char-hvc"
                    || *d == "char-*"
                    || path.starts_with(d.trim_end_matches('*')) && d.ends_with('*')
            });
            if !covered {
                violations.push(Violation::at_line(
                    &s.origin,
                    hides(&format!(
                        "DevicePolicy={} without DeviceAllow={path}",
                        s.value
                    )),
                ));
            }
        }
        for key in ["InaccessiblePaths", "TemporaryFileSystem"] {
            for s in unit.values("Service", key) {
                let over = s
                    .value
                    .split_whitespace()
                    .map(|p| {
                        p.trim_start_matches(['-', '+'])
                            .split(':')
                            .next()
                            .unwrap_or_default()
                    })
                    .any(|p| p == path || p == "/dev");
                if over {
                    violations.push(Violation::at_line(
                        &s.origin,
                        hides(&format!("{key}={}", s.value)),
                    ));
                }
            }
        }
        if let Some(s) = unit
            .value("Service", "RootDirectory")
            .or(unit.value("Service", "RootImage"))
        {
            let mounts = unit
                .value("Service", "MountAPIVFS")
                .is_some_and(|s| yes(&s.value));
            if !mounts {
                violations.push(Violation::at_line(
                    &s.origin,
                    hides(&format!("{}= without MountAPIVFS=yes", s.key)),
                ));
            }
        }
        Answer::from_violations(violations)
    }
}
