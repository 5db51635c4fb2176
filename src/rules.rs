//! Rules, profiles and the critical-points table: data, loaded from YAML.

pub mod builtin;
pub mod critical_points;
pub mod load;

use crate::checks::Check;
use crate::critical_point::CriticalPoint;
use crate::profile::Profile;
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How bad a finding is. `Ord`: worse is greater.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// A matter of taste or of the contract's letter; shown with `--pedantic`.
    Pedantic,
    /// Smells, or fails only sometimes.
    Warning,
    /// The boot does not reach its goal.
    Error,
}

impl Severity {
    /// Id as in JSON.
    pub fn id(self) -> &'static str {
        match self {
            Severity::Pedantic => "pedantic",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// What to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fix {
    /// In the image, now.
    pub image: String,
    /// In the ISAR recipe, WKS or kas file, for good.
    pub isar: String,
}

/// A bad and a good form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// As it fails.
    pub bad: String,
    /// As it works.
    pub good: String,
}

/// A rule as its file says it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Id; also the file's name and the documentation page's.
    pub id: String,
    /// One line that names the defect.
    pub title: String,
    /// Stage at which the boot fails.
    pub stage: Stage,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// How bad it is.
    pub severity: Severity,
    /// Profiles under which the rule runs; all when empty.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// Why the boot fails.
    pub why: String,
    /// What is seen on the console.
    pub symptom: String,
    /// Bad and good.
    #[serde(default)]
    pub example: Option<Example>,
    /// What to change.
    pub fix: Fix,
    /// Where to read more.
    #[serde(default)]
    pub references: Vec<String>,
    /// Version that introduced the rule.
    pub since: String,
    /// Rules whose violation explains this one's: then this one keeps silent.
    #[serde(default)]
    pub unless: Vec<String>,
    /// Generic check.
    pub check: String,
    /// Its parameters. `{unit}`, `{device}`, `{module}`, `{console}`, `{magic}` and `{package}` are filled in.
    #[serde(default)]
    #[schemars(with = "serde_json::Value")]
    pub with: serde_yaml::Value,
}

impl Rule {
    /// The rule with the names of a profile in its texts, for people.
    pub fn named(&self, profile: &Profile) -> Rule {
        let names = profile.names();
        let fill = |text: &str| fill_text(text, &names);
        Rule {
            title: fill(&self.title),
            why: fill(&self.why),
            symptom: fill(&self.symptom),
            example: self.example.as_ref().map(|e| Example {
                bad: fill(&e.bad),
                good: fill(&e.good),
            }),
            fix: Fix {
                image: fill(&self.fix.image),
                isar: fill(&self.fix.isar),
            },
            ..self.clone()
        }
    }

    /// Makes the rule's check, with the names filled in.
    pub fn check(&self, names: &[(&str, &str)]) -> Result<Box<dyn Check>, String> {
        crate::checks::registry::make(&self.check, fill(&self.with, names))
    }
}

fn fill(value: &serde_yaml::Value, names: &[(&str, &str)]) -> serde_yaml::Value {
    use serde_yaml::Value;
    match value {
        Value::String(text) => Value::String(fill_text(text, names)),
        Value::Sequence(items) => Value::Sequence(items.iter().map(|v| fill(v, names)).collect()),
        Value::Mapping(map) => Value::Mapping(
            map.iter()
                .map(|(k, v)| (k.clone(), fill(v, names)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Fills `{name}` placeholders.
pub fn fill_text(text: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}

/// The nearest of the known words, when it is near enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (distance(word, k), *k))
        .filter(|(d, k)| *d <= 1 + k.len() / 4)
        .min()
        .map(|(_, k)| k)
}

/// Edit distance (insertions, deletions, replacements).
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut previous = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let replaced = previous + usize::from(ca != *cb);
            previous = row[j + 1];
            row[j + 1] = replaced.min(previous + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(
            nearest("unit-enabeld", &["unit-enabled", "getty"]),
            Some("unit-enabled")
        );
        assert_eq!(nearest("zzz", &["unit-enabled", "getty"]), None);
    }
}
