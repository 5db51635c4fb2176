//! Any unit is started, masked, there, or not: for a team's own rules.

use super::{Answer, Check, Context, Violation};
use crate::inspect::source::Location;
use crate::inspect::systemd::LoadState;
use crate::known;
use serde::Deserialize;

/// Wanted state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// The boot starts it.
    Started,
    /// The boot does not start it.
    NotStarted,
    /// It is masked.
    Masked,
    /// It is not masked.
    NotMasked,
    /// There is such a unit.
    Present,
    /// There is none.
    Absent,
}

/// Parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitState {
    /// Unit, with its suffix.
    pub unit: String,
    /// What it must be.
    pub is: Wanted,
    /// Why.
    pub because: String,
}

impl Check for UnitState {
    fn judge(&self, cx: &Context<'_>) -> Answer {
        let systemd = known!(cx.facts.systemd);
        let unit = systemd.unit(&self.unit);
        let name = unit.map_or(self.unit.as_str(), |u| u.name.as_str());
        let masked = unit.is_some_and(|u| u.load == LoadState::Masked);
        let present = unit.is_some_and(|u| u.load != LoadState::NotFound);
        let started = systemd.transaction.jobs.contains_key(name);
        let place = unit
            .and_then(|u| u.fragment.clone().or_else(|| u.mask_location.clone()))
            .unwrap_or_else(|| Location {
                path: None,
                ..cx.in_rootfs("/")
            });
        // What a job depends on can be told only when the transaction is known.
        if let (Wanted::Started | Wanted::NotStarted, Some(why)) =
            (self.is, &systemd.transaction.refused)
        {
            return Answer::cannot_tell(why.clone(), place);
        }
        let unknown = systemd.generators.iter().any(|g| !g.modelled && !g.masked);
        let found = match self.is {
            Wanted::Started if started => return Answer::Satisfied,
            Wanted::Started if masked => "is masked",
            Wanted::Started if !present => "does not exist",
            Wanted::Started | Wanted::NotStarted if !started && unknown => {
                let reason = "the image has generators that isar-doctor does not know";
                return Answer::cannot_tell(reason, place);
            }
            Wanted::Started => "is not started by the boot",
            Wanted::NotStarted if started => "is started by the boot",
            Wanted::Masked if !masked => "is not masked",
            Wanted::NotMasked if masked => "is masked",
            Wanted::Present if !present => "does not exist",
            Wanted::Absent if present => "exists",
            _ => return Answer::Satisfied,
        };
        let message = format!("{} {found}: {}", self.unit, self.because);
        Answer::Violated(vec![Violation::at(place, message)])
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn violated(unit: &str, is: Wanted) -> bool {
        let facts = testing::healthy();
        let check = UnitState {
            unit: unit.into(),
            is,
            because: "x".into(),
        };
        matches!(check.judge(&Context::new(&facts)), Answer::Violated(_))
    }

    #[test]
    fn each_state_is_told_from_its_opposite() {
        let backdoor = "nixos-test-backdoor.service";
        assert!(!violated(backdoor, Wanted::Started));
        assert!(violated(backdoor, Wanted::NotStarted));
        assert!(violated(backdoor, Wanted::Masked));
        assert!(!violated(backdoor, Wanted::NotMasked));
        assert!(!violated(backdoor, Wanted::Present));
        assert!(violated(backdoor, Wanted::Absent));
        assert!(violated("none.service", Wanted::Started));
        assert!(violated("none.service", Wanted::Present));
        assert!(!violated("none.service", Wanted::Absent));
    }
}
