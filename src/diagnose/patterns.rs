//! The table of failure messages, applied to a timeline.

pub mod table;

use super::verdict::Blame;
use super::words;
use crate::boot::timeline::{Observation, Source};
use crate::critical_point::CriticalPoint;
use crate::stage::Stage;
use regex::{Regex, RegexSet};
use std::sync::LazyLock;
use table::PATTERNS;

/// How much a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// May precede a success (a boot option that fails before the next one is tried).
    Hint,
    /// The boot will not go on, or not where it should.
    Fatal,
}

/// One line of the table.
#[derive(Debug)]
pub struct Pattern {
    /// Cause id; a rule's id where `inspect` can know it too.
    pub cause: &'static str,
    /// Regular expression over one line of text.
    pub regex: &'static str,
    /// Channels in which it counts.
    pub channels: &'static [Source],
    /// The stage that is not completed.
    pub stage: Stage,
    /// Critical point.
    pub critical_point: CriticalPoint,
    /// Who must act.
    pub blame: Blame,
    /// How much it says.
    pub weight: Weight,
    /// A line that names the thing itself beats one that names its consequence: higher wins.
    pub specific: u8,
    /// The cause as a sentence; `{1}` is the first group of the expression that matched.
    pub sentence: &'static str,
}

/// A line of the boot that matches a pattern.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The pattern.
    pub pattern: &'static Pattern,
    /// Index in the timeline.
    pub index: usize,
    /// Host seconds.
    pub t: f64,
    /// Who said it.
    pub source: Source,
    /// The line.
    pub text: String,
    /// The sentence with the groups filled in.
    pub sentence: String,
}

struct Compiled {
    set: RegexSet,
    each: Vec<Regex>,
}

static COMPILED: LazyLock<Option<Compiled>> = LazyLock::new(|| {
    // The expressions are literals and a test compiles every one; an error here would only mean an empty table.
    let set = RegexSet::new(PATTERNS.iter().map(|p| p.regex)).ok()?;
    let each = PATTERNS
        .iter()
        .map(|p| Regex::new(p.regex))
        .collect::<Result<_, _>>()
        .ok()?;
    Some(Compiled { set, each })
});

/// All patterns that one observation matches.
pub fn scan_one(index: usize, observation: &Observation) -> Vec<Hit> {
    let (Some(text), Some(compiled)) = (words::text(observation), COMPILED.as_ref()) else {
        return Vec::new();
    };
    compiled
        .set
        .matches(text)
        .into_iter()
        .filter(|i| PATTERNS[*i].channels.contains(&observation.source))
        .map(|i| Hit {
            pattern: &PATTERNS[i],
            index,
            t: observation.t,
            source: observation.source,
            text: text.to_owned(),
            sentence: fill(PATTERNS[i].sentence, &compiled.each[i], text),
        })
        .collect()
}

/// All hits of a timeline, in its order.
pub fn scan(timeline: &[Observation]) -> Vec<Hit> {
    timeline
        .iter()
        .enumerate()
        .flat_map(|(i, o)| scan_one(i, o))
        .collect()
}

/// Fills `{1}`, `{2}` with the groups that matched, in order; what no group fills leaves nothing behind.
fn fill(sentence: &str, regex: &Regex, text: &str) -> String {
    let mut out = sentence.to_owned();
    if let Some(captures) = regex.captures(text) {
        let matched = captures.iter().skip(1).flatten();
        for (n, group) in (1..).zip(matched) {
            out = out.replace(&format!("{{{n}}}"), group.as_str().trim());
        }
    }
    for n in 1..=2 {
        out = out.replace(&format!("{{{n}}}"), "");
    }
    let words: Vec<_> = out.split_whitespace().collect();
    words.join(" ").trim_end_matches([':', ' ']).to_owned()
}

#[cfg(test)]
mod tests;
