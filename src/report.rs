//! Prints findings, timelines and verdicts; decides nothing.

pub mod baseline;
pub mod boot_human;
pub mod boot_json;
pub mod boot_progress;
pub mod boot_repeat;
pub mod chain;
pub mod diff_human;
pub mod diff_json;
pub mod diff_markdown;
pub mod diff_words;
pub mod dmesg;
pub mod format;
pub mod github;
pub mod gitlab;
pub mod host;
pub mod html;
pub mod human;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod points;
pub mod quote;
pub mod rule_docs;
pub mod safe;
pub mod sarif;
pub mod style;
pub mod summary;
pub mod suppressions;
pub mod svg;

use crate::checks::run::Judgement;
use crate::inspect::error::Error;
use crate::inspect::facts::Facts;

/// The result for one image: facts and findings, or why it could not be judged.
#[derive(Debug)]
pub struct Inspection {
    /// Path as given.
    pub path: String,
    /// The outcome.
    pub outcome: Result<Box<Judged>, Error>,
}

/// Facts and what the rules made of them.
#[derive(Debug)]
pub struct Judged {
    /// Facts.
    pub facts: Facts,
    /// Findings and open questions.
    pub judgement: Judgement,
}
