//! Runs rules over facts and gives findings in a stable order.

use super::baseline::Entry;
use super::points::{self, PointRow};
use super::silence::{Silencer, Suppressed};
use super::{Answer, Context, Violation};
use crate::config::Suppression;
use crate::critical_point::CriticalPoint;
use crate::inspect::facts::Facts;
use crate::inspect::source::Location;
use crate::rules::{Rule, Severity};
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub use super::finding::{Consequence, Finding, Snippet};

/// Which rules are run, and which of their findings are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Pedantic findings too.
    pub pedantic: bool,
    /// Only these rules, pedantic or not, when there are any.
    pub select: Vec<String>,
    /// Not the findings of these rules. They are judged all the same, so that their consequences stay theirs.
    pub ignore: Vec<String>,
    /// Severities that stand in for the rules' own.
    pub severities: BTreeMap<String, Severity>,
}

/// A rule that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Untold {
    /// Rule id.
    pub rule: String,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// Why.
    pub reason: String,
    /// Where.
    pub location: Location,
}

/// The answers of all rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Judgement {
    /// Findings by severity, stage, rule and place.
    pub findings: Vec<Finding>,
    /// Findings that a suppression silences.
    pub suppressed: Vec<Suppressed>,
    /// Suppressions for this image that silenced nothing.
    pub unused: Vec<Suppression>,
    /// Suppressions for this image that silence no more.
    pub expired: Vec<Suppression>,
    /// Findings of the baseline that are gone.
    pub fixed: Vec<Entry>,
    /// Rules that could not be judged.
    pub untold: Vec<Untold>,
    /// The critical points, each with its state.
    pub points: Vec<PointRow>,
}

/// One rule's answer.
pub(super) struct Answered<'r> {
    pub(super) rule: &'r Rule,
    pub(super) answer: Answer,
}

impl Answered<'_> {
    fn violations(&self) -> &[Violation] {
        match &self.answer {
            Answer::Violated(violations) => violations,
            _ => &[],
        }
    }
}

/// Judges facts by rules; pedantic findings are told only when asked for.
pub fn run(facts: &Facts, rules: &[Rule], pedantic: bool) -> Judgement {
    let selection = Selection {
        pedantic,
        ..Selection::default()
    };
    run_selected(facts, rules, &selection)
}

/// Judges facts by some of the rules.
pub fn run_selected(facts: &Facts, rules: &[Rule], selection: &Selection) -> Judgement {
    run_silenced(facts, rules, selection, &Silencer::default())
}

/// Judges facts by some of the rules, and sets the findings apart that are accepted.
pub fn run_silenced(
    facts: &Facts,
    rules: &[Rule],
    selection: &Selection,
    silencer: &Silencer,
) -> Judgement {
    let cx = Context::new(facts);
    let names = cx.names();
    let mut answers: Vec<Answered<'_>> = rules
        .iter()
        .filter(|rule| wanted(rule, facts, selection))
        .map(|rule| Answered {
            rule,
            answer: told(rule, judge(rule, &cx), selection),
        })
        .collect();
    let causes = causes(&answers);
    let mut judgement = Judgement::default();
    let mut consequences: BTreeMap<String, Vec<Consequence>> = BTreeMap::new();
    for answered in &answers {
        let rule = answered.rule;
        if let Answer::CannotTell { reason, location } = &answered.answer {
            judgement.untold.push(Untold {
                rule: rule.id.clone(),
                critical_point: rule.critical_point,
                reason: reason.clone(),
                location: location.clone(),
            });
        }
        for violation in answered.violations() {
            match causes.get(&rule.id) {
                Some(cause) => consequences
                    .entry(cause.clone())
                    .or_default()
                    .push(Consequence {
                        rule: rule.id.clone(),
                        critical_point: rule.critical_point,
                        message: violation.message.clone(),
                    }),
                None => judgement
                    .findings
                    .push(Finding::new(rule, violation.clone(), &names)),
            }
        }
    }
    for finding in &mut judgement.findings {
        // Told once, with the first finding of the cause.
        finding.consequences = consequences.remove(&finding.rule).unwrap_or_default();
    }
    let ignored = |id: &String| selection.ignore.contains(id);
    judgement.findings.retain(|f| !ignored(&f.rule));
    judgement.untold.retain(|u| !ignored(&u.rule));
    answers.retain(|a| !ignored(&a.rule.id));
    judgement.findings.sort_by(|a, b| {
        let key = |f: &Finding| (Reverse(f.severity), f.stage);
        (key(a), &a.rule, &a.location).cmp(&(key(b), &b.rule, &b.location))
    });
    judgement.suppressed = silencer.split(&mut judgement.findings);
    judgement.points = points::rows(&answers, &judgement.findings, &judgement.suppressed);
    judgement
}

impl Selection {
    /// Whether the rule's findings are told under a profile.
    pub fn tells(&self, rule: &Rule, facts: &Facts) -> bool {
        wanted(rule, facts, self) && !self.ignore.contains(&rule.id)
    }

    fn severity(&self, rule: &Rule) -> Severity {
        self.severities
            .get(&rule.id)
            .copied()
            .unwrap_or(rule.severity)
    }
}

fn wanted(rule: &Rule, facts: &Facts, selection: &Selection) -> bool {
    if !selection.select.is_empty() {
        return selection.select.contains(&rule.id);
    }
    let profile = rule.profiles.is_empty() || rule.profiles.contains(&facts.profile.name);
    profile && (selection.pedantic || selection.severity(rule) > Severity::Pedantic)
}

fn judge(rule: &Rule, cx: &Context<'_>) -> Answer {
    match rule.check(&cx.names()) {
        Ok(check) => check.judge(cx),
        Err(reason) => Answer::cannot_tell(reason, Location::image()),
    }
}

/// Gives violations the configured severity, and leaves out pedantic ones when nobody asked for them.
fn told(rule: &Rule, mut answer: Answer, selection: &Selection) -> Answer {
    if let (Some(severity), Answer::Violated(violations)) =
        (selection.severities.get(&rule.id), &mut answer)
    {
        for violation in violations {
            violation.severity = Some(*severity);
        }
    }
    if selection.pedantic || selection.select.contains(&rule.id) {
        return answer;
    }
    match answer {
        Answer::Violated(mut violations) => {
            violations.retain(|v| v.severity.unwrap_or(rule.severity) > Severity::Pedantic);
            Answer::from_violations(violations)
        }
        other => other,
    }
}

/// Violated rule → the violated rule that explains it (`unless`), followed to the first one.
fn causes(answers: &[Answered<'_>]) -> BTreeMap<String, String> {
    let violated: BTreeMap<&str, &Rule> = answers
        .iter()
        .filter(|a| !a.violations().is_empty())
        .map(|a| (a.rule.id.as_str(), a.rule))
        .collect();
    let mut causes = BTreeMap::new();
    for (id, rule) in &violated {
        let mut seen = BTreeSet::from([*id]);
        let mut at = *rule;
        let mut found = None;
        while let Some(next) = at
            .unless
            .iter()
            .find_map(|id| violated.get(id.as_str()).copied())
        {
            // Rules that explain each other are all told.
            if !seen.insert(next.id.as_str()) {
                found = None;
                break;
            }
            found = Some(next.id.clone());
            at = next;
        }
        if let Some(cause) = found {
            causes.insert((*id).to_owned(), cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::rules::builtin;

    #[test]
    fn a_healthy_image_has_no_findings_and_nothing_untold() {
        for facts in [testing::healthy(), testing::healthy_trixie()] {
            let judgement = run_selected(&facts, &builtin::rules(), &Selection::default());
            assert_eq!(judgement.findings, []);
            assert_eq!(judgement.untold, []);
        }
    }

    #[test]
    fn consequences_stand_with_their_cause() {
        let mut facts = testing::healthy();
        testing::modules(&mut facts).present = false;
        let judgement = run_selected(&facts, &builtin::rules(), &Selection::default());
        let rules: Vec<_> = judgement.findings.iter().map(|f| f.rule.as_str()).collect();
        assert_eq!(rules, ["modules-version-mismatch"]);
        let ignore = Selection {
            ignore: vec!["modules-version-mismatch".into()],
            ..Selection::default()
        };
        assert_eq!(
            run_selected(&facts, &builtin::rules(), &ignore).findings,
            []
        );
    }

    #[test]
    fn a_selected_rule_runs_alone_and_even_if_pedantic() {
        let mut facts = testing::healthy();
        testing::cmdline(&mut facts, "root=PARTUUID=x");
        let selection = Selection {
            select: vec!["contract-panic".into()],
            ..Selection::default()
        };
        let judgement = run_selected(&facts, &builtin::rules(), &selection);
        assert_eq!(judgement.findings.len(), 1);
        assert_eq!(judgement.findings[0].rule, "contract-panic");
    }
}
