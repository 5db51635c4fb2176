//! What the rules foresee of a boot, and what a team's configuration makes of it.

use super::finding::Finding;
use super::run::{Selection, run, run_silenced};
use super::silence::Silencer;
use crate::diagnose::{Predicted, Standing};
use crate::inspect::facts::Facts;
use crate::rules::{Rule, Severity};

/// The findings by the rules' own severities, for the verdict: a boot does not fail less because a finding is accepted. With each stands how the
/// configuration has it told.
pub fn foreseen(
    facts: &Facts,
    rules: &[Rule],
    selection: &Selection,
    silencer: &Silencer,
) -> Vec<Predicted> {
    let own = run(facts, rules, false).findings;
    let told = run_silenced(facts, rules, selection, silencer);
    let same = |a: &Finding, b: &Finding| {
        a.rule == b.rule && a.location == b.location && a.message == b.message
    };
    let standing = |finding: &Finding| {
        let accepted = told.suppressed.iter().find(|s| same(&s.finding, finding));
        if let Some(accepted) = accepted {
            return Standing::Accepted(accepted.reason.clone());
        }
        let as_told = told.findings.iter().find(|f| same(f, finding));
        as_told.map_or(Standing::Off, |f| by_severity(f.severity))
    };
    let stood = own.iter().map(|finding| {
        let mut predicted = finding.predicted();
        predicted.standing = Some(standing(finding)).filter(|s| *s != predicted.standing());
        predicted
    });
    let raised = told
        .findings
        .iter()
        .filter(|f| f.severity > Severity::Pedantic && !own.iter().any(|o| same(o, f)))
        .map(Finding::predicted);
    stood.chain(raised).collect()
}

fn by_severity(severity: Severity) -> Standing {
    match severity {
        Severity::Error => Standing::Error,
        Severity::Warning => Standing::Warning,
        // A boot has no `--pedantic`.
        Severity::Pedantic => Standing::Off,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::config::Suppression;
    use crate::config::date::Date;
    use crate::rules::builtin;
    use std::path::Path;

    const RACE: &str = "backdoor-device-not-pulled-in";

    fn with(selection: &Selection, suppressions: &[Suppression]) -> Vec<Predicted> {
        let here = Path::new(".");
        let silencer = Silencer::for_image(suppressions, Path::new("a.wic"), here, Date::today());
        foreseen(&testing::race(), &builtin::rules(), selection, &silencer)
    }

    fn race_with(severity: Option<Severity>) -> Predicted {
        let mut selection = Selection::default();
        match severity {
            Some(severity) => {
                selection.severities.insert(RACE.into(), severity);
            }
            None => selection.ignore.push(RACE.into()),
        }
        let mut found = with(&selection, &[]);
        found.retain(|p| p.rule == RACE);
        found.remove(0)
    }

    #[test]
    fn without_a_configuration_every_finding_stands_as_its_rule_has_it() {
        let found = with(&Selection::default(), &[]);
        assert!(!found.is_empty());
        assert!(found.iter().all(|p| p.standing.is_none()));
    }

    #[test]
    fn the_verdict_still_knows_what_the_configuration_plays_down() {
        let race = race_with(Some(Severity::Warning));
        assert!(race.error);
        assert_eq!(race.standing(), Standing::Warning);
        let race = race_with(Some(Severity::Pedantic));
        assert_eq!((race.error, race.standing()), (true, Standing::Off));
        let race = race_with(None);
        assert_eq!((race.error, race.standing()), (true, Standing::Off));
        let accepted = Suppression {
            rule: RACE.into(),
            reason: "frozen".into(),
            ..Suppression::default()
        };
        let found = with(&Selection::default(), &[accepted]);
        let race = found.iter().find(|p| p.rule == RACE).map(|p| p.standing());
        assert_eq!(race, Some(Standing::Accepted("frozen".into())));
    }

    #[test]
    fn a_raised_finding_is_foreseen_too() {
        let raised = |p: &Predicted| p.rule == "contract-kill-signal";
        assert!(!with(&Selection::default(), &[]).iter().any(raised));
        let mut selection = Selection::default();
        let name = "contract-kill-signal".to_owned();
        selection.severities.insert(name, Severity::Error);
        let found = with(&selection, &[]);
        let signal = found.iter().find(|p| raised(p)).map(|p| p.standing());
        assert_eq!(signal, Some(Standing::Error));
    }
}
