//! One difference.

use crate::inspect::error::Fact;
use crate::inspect::source::Location;
use crate::stage::Stage;
use schemars::JsonSchema;
use serde::Serialize;

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Only the bad image has it.
    Added,
    /// Only the good image has it.
    Removed,
    /// Both have it, and it differs.
    Changed,
}

/// How much a difference matters. `Ord`: what matters most comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// It bears on the boot chain.
    Chain,
    /// A difference of the system beside the chain.
    Detail,
    /// It differs in every build: UUIDs, sizes, the machine-id.
    Noise,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Change {
    /// Stage of the boot it belongs to.
    pub stage: Stage,
    /// Kind of thing: `loader`, `command line`, `package`, `unit`, …
    pub subject: String,
    /// Which one, when there are many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// How much it matters.
    pub weight: Weight,
    /// As in the good image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub good: Option<String>,
    /// As in the bad image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad: Option<String>,
    /// Where: in the bad image, or in the good one when only that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

impl Change {
    /// A difference of two descriptions; none when they are equal.
    pub fn of(
        stage: Stage,
        subject: &str,
        good: Option<String>,
        bad: Option<String>,
    ) -> Option<Change> {
        let kind = match (&good, &bad) {
            (None, None) => return None,
            (Some(a), Some(b)) if a == b => return None,
            (None, Some(_)) => Kind::Added,
            (Some(_), None) => Kind::Removed,
            (Some(_), Some(_)) => Kind::Changed,
        };
        Some(Change {
            stage,
            subject: subject.to_owned(),
            name: None,
            kind,
            weight: Weight::Chain,
            good,
            bad,
            location: None,
        })
    }
    /// With a name.
    pub fn named(mut self, name: &str) -> Change {
        self.name = Some(name.to_owned());
        self
    }
    /// With a weight.
    pub fn weighing(mut self, weight: Weight) -> Change {
        self.weight = weight;
        self
    }
    /// At a place.
    pub fn at(mut self, location: Option<Location>) -> Change {
        self.location = location;
        self
    }
}

/// A fact in words; absence and damage are words too, so that their difference shows.
pub fn words<T>(fact: &Fact<T>, tell: impl Fn(&T) -> String) -> Option<String> {
    match fact {
        Fact::Known(value) => Some(tell(value)),
        Fact::Absent => None,
        Fact::Unreadable(error) => Some(format!("cannot be read: {error}")),
    }
}

/// Pairs of things by name that differ in either image.
pub fn differing<'a, T: PartialEq>(
    good: &'a std::collections::BTreeMap<String, T>,
    bad: &'a std::collections::BTreeMap<String, T>,
) -> Vec<(&'a str, Option<&'a T>, Option<&'a T>)> {
    let names: std::collections::BTreeSet<&String> = good.keys().chain(bad.keys()).collect();
    names
        .into_iter()
        .map(|name| (name.as_str(), good.get(name), bad.get(name)))
        .filter(|(_, a, b)| a != b)
        .collect()
}
