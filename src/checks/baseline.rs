//! A baseline: the findings that a legacy image has today, so that a gate stops only what is new.

use super::finding::Finding;
use super::fingerprint::fingerprint;
use super::run::Judgement;
use crate::inspect::source::Location;
use crate::rules::Severity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the file.
pub const SCHEMA: &str = "isar-doctor/baseline/1";

/// Whether a finding is in the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is not, so it counts.
    New,
    /// It is.
    Known,
}

/// A finding of the past.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Rule id.
    pub rule: String,
    /// Where it was: partition and path.
    pub location: String,
    /// What makes it the same finding in a rebuilt image.
    pub fingerprint: String,
    /// How bad it was.
    pub severity: Severity,
    /// What was wrong.
    pub message: String,
}

impl Entry {
    fn of(finding: &Finding) -> Entry {
        let location = Location {
            line: None,
            offset: None,
            ..finding.location.clone()
        };
        Entry {
            rule: finding.rule.clone(),
            location: location.to_string(),
            fingerprint: fingerprint(finding),
            severity: finding.severity,
            message: finding.message.clone(),
        }
    }
}

/// The file: entries by image, sorted, so that its own changes read well in a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    schema: String,
    images: BTreeMap<String, Vec<Entry>>,
}

impl Default for Baseline {
    fn default() -> Self {
        Baseline {
            schema: SCHEMA.into(),
            images: BTreeMap::new(),
        }
    }
}

impl Baseline {
    /// Reads the file's text.
    pub fn parse(text: &str) -> Result<Baseline, String> {
        let baseline: Baseline = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if baseline.schema != SCHEMA {
            let schema = baseline.schema;
            return Err(format!("its schema is `{schema}`, not `{SCHEMA}`"));
        }
        Ok(baseline)
    }

    /// The file's text.
    pub fn render(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|t| t + "\n")
    }

    /// Puts an image's findings in.
    pub fn insert(&mut self, image: String, findings: &[Finding]) {
        let entries = self.images.entry(image).or_default();
        entries.extend(findings.iter().map(Entry::of));
        entries.sort();
    }

    /// The entries of an image: by its path, else by its file name where only one has it, else, where the file and the run
    /// know one image each, those (it was renamed).
    pub fn entries(&self, image: &str, alone: bool) -> &[Entry] {
        if let Some(entries) = self.images.get(image) {
            return entries;
        }
        let name = Path::new(image).file_name();
        let same: Vec<_> = self
            .images
            .iter()
            .filter(|(path, _)| Path::new(path).file_name() == name)
            .collect();
        match (same.as_slice(), alone && self.images.len() == 1) {
            ([(_, entries)], _) => entries,
            ([], true) => self.images.values().next().map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }
}

/// Marks each finding as new or known, and notes the entries that no longer occur. `judged` tells whether an entry's rule could
/// have been told now.
pub fn compare(judgement: &mut Judgement, entries: &[Entry], judged: impl Fn(&Entry) -> bool) {
    let mut left: Vec<&Entry> = entries.iter().collect();
    let mut take = |finding: &Finding| {
        let fingerprint = fingerprint(finding);
        let found = left.iter().position(|e| e.fingerprint == fingerprint);
        found.map(|n| left.remove(n)).is_some()
    };
    for finding in &mut judgement.findings {
        finding.baseline = Some(match take(finding) {
            true => State::Known,
            false => State::New,
        });
    }
    for suppressed in &mut judgement.suppressed {
        suppressed.finding.baseline = Some(match take(&suppressed.finding) {
            true => State::Known,
            false => State::New,
        });
    }
    let open = |rule: &String| {
        let follows = |f: &Finding| f.consequences.iter().any(|c| c.rule == *rule);
        judgement.untold.iter().any(|u| u.rule == *rule) || judgement.findings.iter().any(follows)
    };
    judgement.fixed = left
        .into_iter()
        .filter(|entry| judged(entry) && !open(&entry.rule))
        .cloned()
        .collect();
}

#[cfg(test)]
mod tests {
    use super::super::run::run;
    use super::super::testing;
    use super::*;
    use crate::rules::builtin;

    fn judgement() -> Judgement {
        let mut facts = testing::healthy();
        testing::modules(&mut facts).present = false;
        run(&facts, &builtin::rules(), false)
    }

    #[test]
    fn what_was_written_is_known_and_what_is_gone_is_fixed() {
        let mut now = judgement();
        let mut baseline = Baseline::default();
        baseline.insert("a/x.wic".into(), &now.findings);
        let read = Baseline::parse(&baseline.render().unwrap()).unwrap();
        assert_eq!(read, baseline);
        compare(&mut now, read.entries("a/x.wic", false), |_| true);
        assert_eq!(now.findings[0].baseline, Some(State::Known));
        assert_eq!(now.fixed, []);

        let mut healthy = Judgement::default();
        compare(&mut healthy, read.entries("a/x.wic", false), |_| true);
        assert_eq!(healthy.fixed.len(), 1);
        compare(&mut healthy, read.entries("a/x.wic", false), |_| false);
        assert_eq!(healthy.fixed, []);
    }

    #[test]
    fn one_entry_knows_one_finding() {
        let mut now = judgement();
        let mut baseline = Baseline::default();
        baseline.insert("x.wic".into(), &now.findings);
        now.findings.push(now.findings[0].clone());
        compare(&mut now, baseline.entries("x.wic", false), |_| true);
        let states: Vec<_> = now.findings.iter().map(|f| f.baseline).collect();
        assert_eq!(states, [Some(State::Known), Some(State::New)]);
    }

    #[test]
    fn images_are_found_again_under_another_directory_or_name() {
        let mut baseline = Baseline::default();
        baseline.insert("a/x.wic".into(), &judgement().findings);
        assert_eq!(baseline.entries("b/x.wic", false).len(), 1);
        assert_eq!(baseline.entries("y.wic", true).len(), 1);
        assert_eq!(baseline.entries("y.wic", false), []);
        baseline.insert("c/x.wic".into(), &[]);
        assert_eq!(baseline.entries("b/x.wic", false), []);
        assert!(Baseline::parse("{\"schema\":\"other\",\"images\":{}}").is_err());
    }
}
