//! The words of a comparison, for every format.

use crate::checks::Confidence;
use crate::diff::{Cause, Change, Comparison, Explanation, Kind, Weight};
use crate::stage::Stage;
use std::collections::BTreeMap;

/// One row of the report: a change, or several of one kind folded.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Stage.
    pub stage: Stage,
    /// What changed.
    pub title: String,
    /// Before.
    pub good: Option<String>,
    /// After.
    pub bad: Option<String>,
}

/// Names shown of a folded list.
const SHOWN: usize = 6;

/// Rows in order. Details of one subject are folded into one row, unless `all`.
pub fn rows(comparison: &Comparison, all: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut folded: BTreeMap<(Stage, &str), Vec<&Change>> = BTreeMap::new();
    for change in &comparison.changes {
        match change.weight {
            Weight::Noise if !all => {}
            Weight::Detail if !all => {
                let key = (change.stage, change.subject.as_str());
                folded.entry(key).or_default().push(change);
            }
            _ => rows.push(row(change)),
        }
    }
    for ((stage, subject), changes) in folded {
        match changes.as_slice() {
            [one] => rows.push(row(one)),
            many => rows.push(fold(stage, subject, many)),
        }
    }
    rows.sort_by_key(|r| r.stage);
    rows
}

fn row(change: &Change) -> Row {
    Row {
        stage: change.stage,
        title: title(change),
        good: change.good.clone(),
        bad: change.bad.clone(),
    }
}

/// The thing that changed, by name.
pub fn title(change: &Change) -> String {
    match &change.name {
        Some(name) => format!("{} {name}", change.subject),
        None => change.subject.clone(),
    }
}

fn fold(stage: Stage, subject: &str, changes: &[&Change]) -> Row {
    let names = |kinds: &[Kind]| {
        let found: Vec<&str> = changes
            .iter()
            .filter(|c| kinds.contains(&c.kind))
            .filter_map(|c| c.name.as_deref())
            .collect();
        if found.is_empty() {
            return None;
        }
        let shown = found.iter().take(SHOWN).copied().collect::<Vec<_>>();
        let more = match found.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("{}{more}", shown.join(", ")))
    };
    let count = |kind| changes.iter().filter(|c| c.kind == kind).count();
    let counts: Vec<String> = [
        (Kind::Added, "new"),
        (Kind::Removed, "gone"),
        (Kind::Changed, "changed"),
    ]
    .into_iter()
    .map(|(kind, word)| (count(kind), word))
    .filter(|(n, _)| *n > 0)
    .map(|(n, word)| format!("{n} {word}"))
    .collect();
    Row {
        stage,
        title: format!("{subject}: {}", counts.join(", ")),
        good: names(&[Kind::Removed]),
        bad: names(&[Kind::Added, Kind::Changed]),
    }
}

/// The line that counts the noise; none when there is none, or when all is shown anyway.
pub fn noise(comparison: &Comparison, all: bool) -> Option<String> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for change in &comparison.changes {
        if change.weight == Weight::Noise {
            *kinds.entry(&change.subject).or_default() += 1;
        }
    }
    let total: usize = kinds.values().sum();
    if total == 0 || all {
        return None;
    }
    let told: Vec<String> = kinds.iter().map(|(k, n)| format!("{n} × {k}")).collect();
    Some(format!(
        "{total} {} that every build has ({}); --all shows them and unfolds the lists",
        if total == 1 {
            "difference"
        } else {
            "differences"
        },
        told.join(", ")
    ))
}

/// How sure, in a word.
pub fn confidence(cause: &Cause) -> &'static str {
    match cause.confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    }
}

/// The cause in a sentence.
pub fn headline(cause: &Cause) -> String {
    let rule = cause
        .rule
        .as_ref()
        .map(|r| format!(" [{r}]"))
        .unwrap_or_default();
    let why = match cause.explanation {
        Explanation::Decided => format!(
            "of all that changed, decided by {}",
            cause.parts.join(", or by ")
        ),
        Explanation::Several => "several changes together bring it about".into(),
        Explanation::Race => "a race that both images have: the good one won it".into(),
        Explanation::InBoth => "both images have it, so no change brought it about".into(),
        Explanation::Unexplained => "the changes below are the candidates".into(),
    };
    format!("({}) {}{rule}; {why}", confidence(cause), cause.message)
}

/// The reasoning, one labelled paragraph after the other.
pub fn reasons(comparison: &Comparison, cause: &Cause) -> Vec<(&'static str, String)> {
    let rule = cause.rule.as_ref().map(|r| format!(" [{r}]"));
    let what = format!("{}{}", cause.message, rule.unwrap_or_default());
    let mut out = vec![("what", what), ("sure", confidence(cause).to_owned())];
    if let (Some(stage), Some(location)) = (cause.stage, &cause.location) {
        out.push(("where", format!("{location}; the boot fails at `{stage}`")));
    }
    let proof = match cause.explanation {
        Explanation::Decided => Some(format!(
            "judged again with this part of the good image, the bad image no longer violates the rule: {}. No other part does that by itself",
            cause.parts.join("; or ")
        )),
        Explanation::Several => Some(
            "the good image does not violate the rule, and no single part of it cures the bad one".into(),
        ),
        Explanation::Race => Some(
            "the good image violates the rule too. Who wins depends on how long things take; the changes below shift that, and none of them is a cure".into(),
        ),
        Explanation::InBoth => Some(
            "the good image violates the rule too and is said to work: look at its boot, or at the next finding".into(),
        ),
        Explanation::Unexplained => Some(
            "`isar-doctor boot --trace` shows where the bad image stops; then look at the changes up to that stage".into(),
        ),
    };
    out.extend(proof.map(|p| ("because", p)));
    for evidence in &cause.evidence {
        let place = evidence.location.as_ref();
        let place = place.map(|l| format!(" ({l})")).unwrap_or_default();
        out.push(("because", format!("{}{place}", evidence.text)));
    }
    let bearing: Vec<String> = cause
        .changes
        .iter()
        .filter_map(|i| comparison.changes.get(*i))
        .take(SHOWN * 2)
        .map(sentence)
        .collect();
    for text in bearing {
        out.push(("changed", text));
    }
    out.extend(cause.fix.iter().map(|f| ("fix", f.clone())));
    out.extend(cause.fix_isar.iter().map(|f| ("in ISAR", f.clone())));
    out
}

/// A change in one line.
pub fn sentence(change: &Change) -> String {
    let title = title(change);
    match (&change.good, &change.bad) {
        (Some(a), Some(b)) => format!("{title}: {a} → {b}"),
        (None, Some(b)) => format!("{title}: new, {b}"),
        (Some(a), None) => format!("{title}: gone, was {a}"),
        (None, None) => title,
    }
}
