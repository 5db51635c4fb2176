//! What changed between two images, ranked by the boot chain: two [`Facts`] → [`Comparison`]. Reads no image, prints nothing.

pub mod boot;
mod cause;
pub mod change;
mod normal;
mod packages;
mod swap;
mod system;
mod units;

pub use cause::{Cause, Explanation};
pub use change::{Change, Kind, Weight};

use crate::checks::run::Finding;
use crate::inspect::facts::Facts;
use crate::rules::Rule;
use normal::Names;
use schemars::JsonSchema;
use serde::Serialize;

/// Two images, with what the rules said of each.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The image that works.
    pub good: &'a Facts,
    /// Its findings.
    pub good_findings: &'a [Finding],
    /// The image that does not.
    pub bad: &'a Facts,
    /// Its findings.
    pub bad_findings: &'a [Finding],
}

/// The differences of two images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Comparison {
    /// Differences in the order of the chain; those that bear on it before the details, the noise last.
    pub changes: Vec<Change>,
    /// What most likely makes the second image fail; none when nothing says that it does.
    pub cause: Option<Cause>,
}

impl Comparison {
    /// Differences that are no noise.
    pub fn matters(&self) -> bool {
        self.changes.iter().any(|c| c.weight != Weight::Noise)
    }
}

/// Compares two images. `bad_fails`: the second one is known to fail, whatever the rules say.
pub fn compare(pair: &Pair<'_>, rules: &[Rule], bad_fails: bool) -> Comparison {
    let sides = Sides {
        good: pair.good,
        bad: pair.bad,
        good_names: Names::of(pair.good),
        bad_names: Names::of(pair.bad),
    };
    let mut changes = Vec::new();
    boot::compare(&sides, &mut changes);
    system::compare(&sides, &mut changes);
    units::compare(&sides, &mut changes);
    packages::compare(&sides, &mut changes);
    changes.sort_by(|a, b| {
        let key = |c: &Change| (c.weight == Weight::Noise, c.stage, c.weight);
        key(a).cmp(&key(b))
    });
    let mut comparison = Comparison {
        changes,
        cause: None,
    };
    // Images that do not differ have nothing that explains a difference.
    if comparison.matters() {
        comparison.cause = cause::find(pair, &comparison.changes, rules, bad_fails);
    }
    comparison
}

/// The two images and the names that are theirs alone.
struct Sides<'a> {
    good: &'a Facts,
    bad: &'a Facts,
    good_names: Names,
    bad_names: Names,
}

#[cfg(test)]
mod tests;
