//! Any package is installed, or is not: for a team's own rules.

use super::{Answer, Check, Context, Violation};
use crate::known;
use serde::Deserialize;

/// Wanted state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Installed and configured.
    Installed,
    /// Not installed; left-over configuration files do not matter.
    Absent,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageState {
    /// Package names.
    pub packages: Vec<String>,
    /// What they must be.
    pub are: Wanted,
    /// Why.
    pub because: String,
}

impl Check for PackageState {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let facts = known!(cx.facts.packages);
        let place = facts.status_file.known().cloned().unwrap_or_default();
        let mut violations = Vec::new();
        for name in &self.packages {
            let package = facts.packages.get(name);
            let found = match (self.are, package) {
                (Wanted::Installed, None) => "is not installed".to_owned(),
                (Wanted::Installed, Some(p)) if !p.status.ends_with(" ok installed") => {
                    format!("is in state `{}`", p.status)
                }
                (Wanted::Absent, Some(p)) if !left_over(&p.status) => {
                    format!("{} is installed", p.version)
                }
                _ => continue,
            };
            let message = format!("{name} {found}: {}", self.because);
            violations.push(Violation::at(place.clone(), message));
        }
        Answer::from_violations(violations)
    }
}

fn left_over(status: &str) -> bool {
    status.ends_with(" not-installed") || status.ends_with(" config-files")
}
