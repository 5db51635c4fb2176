//! Something must pull the backdoor unit in, and nothing may mask it.

use super::{Answer, Check, Context, Violation, device_race};
use crate::inspect::systemd::{LoadState, Reason};
use crate::known;
use serde::Deserialize;

/// What is judged.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The unit is in the initial transaction.
    PulledIn,
    /// Links in `.wants` directories lead to a unit.
    LinksResolve,
    /// It is not masked.
    NotMasked,
    /// systemd loads it.
    Loads,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitEnabled {
    /// What is judged.
    pub aspect: Aspect,
}

impl Check for UnitEnabled {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        if let Aspect::LinksResolve = self.aspect {
            return links_resolve(cx);
        }
        let Some(unit) = cx.unit() else {
            return Answer::NotApplicable;
        };
        let place = || {
            unit.fragment
                .clone()
                .or_else(|| unit.mask_location.clone())
                .unwrap_or_default()
        };
        match self.aspect {
            Aspect::NotMasked => Answer::from_option((unit.load == LoadState::Masked).then(|| {
                let by = unit.masked_by.clone().unwrap_or_else(|| "a mask".into());
                Violation::at(
                    unit.mask_location.clone().unwrap_or_else(place),
                    format!("{} is masked by {by}: it can never start", unit.name),
                )
            })),
            Aspect::Loads => {
                let fatal: Vec<_> = unit.problems.iter().filter(|p| p.fatal).collect();
                if unit.load != LoadState::BadSetting && unit.load != LoadState::Error {
                    return Answer::Satisfied;
                }
                let why = fatal
                    .first()
                    .map_or_else(|| "it has a bad setting".to_owned(), |p| p.message.clone());
                let message = format!("systemd refuses to load {}: {why}", unit.name);
                Answer::Violated(vec![match fatal.first().and_then(|p| p.origin.as_ref()) {
                    Some(origin) => Violation::at_line(origin, message),
                    None => Violation::at(place(), message),
                }])
            }
            Aspect::PulledIn => {
                if unit.load == LoadState::NotFound {
                    return Answer::NotApplicable;
                }
                let transaction = &systemd.transaction;
                if transaction.jobs.contains_key(&unit.name)
                    || device_race::first::started_by_device(cx, systemd, unit, &cx.device_unit())
                {
                    return Answer::Satisfied;
                }
                if let Some((_, reason)) = transaction
                    .dropped
                    .iter()
                    .find(|(name, _)| *name == unit.name)
                {
                    return Answer::Violated(vec![Violation::at(
                        place(),
                        format!("{} is dropped from the boot: {reason}", unit.name),
                    )]);
                }
                if systemd.generators.iter().any(|g| !g.modelled && !g.masked)
                    && !unit.referenced
                    && unit.value("Install", "WantedBy").is_none()
                {
                    return Answer::CannotTell {
                        reason: "the image has generators that isar-doctor does not know".into(),
                        location: place(),
                    };
                }
                Answer::Violated(vec![Violation::at(
                    place(),
                    format!(
                        "nothing pulls {} in: {} does not reach it, so it is never started",
                        unit.name, transaction.anchor
                    ),
                )])
            }
            Aspect::LinksResolve => Answer::NotApplicable,
        }
    }
}

/// A link in a `.wants` or `.requires` directory for the backdoor (or a name much like it) that leads to no unit.
fn links_resolve(cx: &Context<'_>) -> Answer {
    let systemd = known!(cx.facts.systemd);
    let name = cx.unit_name();
    if systemd.transaction.jobs.contains_key(name) {
        return Answer::Satisfied;
    }
    let mut violations = Vec::new();
    for unit in systemd.units.values() {
        for dependency in unit.dependencies.iter().filter(|d| d.kind.pulls_in()) {
            let Reason::Link(location) = &dependency.reason else {
                continue;
            };
            let packaged = location
                .path
                .as_deref()
                .is_some_and(|path| in_package(cx, path));
            let about = dependency.other == name || packaged || alike(&dependency.other, name);
            let gone = systemd
                .unit(&dependency.other)
                .is_none_or(|u| u.load == LoadState::NotFound);
            if about && gone {
                violations.push(Violation::at(
                    location.clone(),
                    format!(
                        "the link in {}'s .wants names {}, and no unit of that name exists",
                        unit.name, dependency.other
                    ),
                ));
            }
        }
    }
    Answer::from_violations(violations)
}

/// A file of the package that brings the backdoor.
fn in_package(cx: &Context<'_>, path: &str) -> bool {
    let details = cx.facts.packages.known().map(|p| p.details.as_slice());
    let mut files = details.unwrap_or_default().iter().flat_map(|d| &d.files);
    files.any(|file| file.path == path)
}

/// The same words in the same order, some of them left out, or a slip of the pen.
fn alike(a: &str, b: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let words = stem.split(['-', '_', '@', '.']).filter(|w| !w.is_empty());
        words.map(str::to_owned).collect()
    };
    let (a, b) = (words(a), words(b));
    let (short, long) = if a.len() <= b.len() {
        (&a, &b)
    } else {
        (&b, &a)
    };
    let mut rest = long.iter();
    let within = short.len() > 1 && short.iter().all(|word| rest.any(|other| other == word));
    within || crate::rules::distance(&a.concat(), &b.concat()) <= 2
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn names_that_mean_the_same_unit() {
        assert!(alike(
            "nixos-backdoor.service",
            "nixos-test-backdoor.service"
        ));
        assert!(alike(
            "nixos_test_backdor.service",
            "nixos-test-backdoor.service"
        ));
        assert!(!alike("ssh.service", "nixos-test-backdoor.service"));
        assert!(!alike("backdoor.service", "nixos-test-backdoor.service"));
    }
}
