//! The backdoor's package: installed, configured, unchanged.

use super::{Answer, Check, Context, Violation};
use crate::inspect::dpkg::FileState;
use crate::inspect::source::Location;
use crate::inspect::systemd::LoadState;
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Installed, or its unit is there by other means.
    Installed,
    /// `install ok installed`.
    Configured,
    /// Files as the package brought them.
    FilesIntact,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageIntact {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for PackageIntact {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        match self.aspect {
            Aspect::Installed => installed(cx),
            Aspect::Configured => configured(cx),
            Aspect::FilesIntact => files_intact(cx),
        }
    }
}

fn installed(cx: &Context<'_>) -> Answer {
    let name = cx.unit_name();
    let unit_there = cx.unit().is_some_and(|u| u.load != LoadState::NotFound);
    if unit_there {
        return Answer::Satisfied;
    }
    known!(cx.facts.systemd);
    let packages = known!(cx.facts.packages);
    let place = packages.status_file.known().cloned().unwrap_or_default();
    let package = packages.packages.get(&cx.profile.package);
    let stray = cx.systemd().is_some_and(|s| {
        s.stray.iter().any(|s| {
            s.location
                .path
                .as_deref()
                .is_some_and(|p| p.ends_with(name))
        })
    });
    let message = match package {
        _ if stray => return Answer::NotApplicable,
        Some(p) if p.status.ends_with(" installed") => format!(
            "the package {} is installed, but there is no {name}, nor any other unit that could be the backdoor",
            cx.profile.package
        ),
        Some(p) => format!(
            "the package {} is in state `{}`, and there is no {name}",
            cx.profile.package, p.status
        ),
        None => format!(
            "the package {} is not installed, and no unit of this image prints the magic line or owns /dev/{}",
            cx.profile.package, cx.profile.device
        ),
    };
    Answer::Violated(vec![Violation::at(place, message)])
}

fn configured(cx: &Context<'_>) -> Answer {
    let packages = known!(cx.facts.packages);
    let violations = packages
        .details
        .iter()
        .filter(|d| !d.package.status.ends_with(" ok installed"))
        .map(|d| {
            let message = format!("the package {} is in state `{}`: its configuration did not finish, so links made by its postinst may be missing", d.name, d.package.status);
            match &d.origin {
                Some(origin) => Violation::at_line(origin, message),
                None => Violation::at(Location::default(), message),
            }
        })
        .collect();
    Answer::from_violations(violations)
}

fn files_intact(cx: &Context<'_>) -> Answer {
    let packages = known!(cx.facts.packages);
    let unit_missing = cx.unit().is_none_or(|u| u.load == LoadState::NotFound);
    let mut violations = Vec::new();
    for detail in &packages.details {
        for file in &detail.files {
            let what = match file.state {
                FileState::Changed => "differs from what the package brought (md5sum)",
                // A package whose unit is gone is told by another rule.
                FileState::Missing if !unit_missing => {
                    "is in the package's file list and not in the image"
                }
                _ => continue,
            };
            violations.push(Violation::at(
                file.location.clone(),
                format!("{} of package {} {what}", file.path, detail.name),
            ));
        }
    }
    Answer::from_violations(violations)
}
