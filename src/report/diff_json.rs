//! The comparison in JSON by the published schema (`docs/schema/diff.schema.json`).

use super::diff_human::Heads;
use crate::checks::run::Finding;
use crate::diff::{Cause, Change, Comparison};
use schemars::JsonSchema;
use serde::Serialize;

/// Version of the contract.
pub const SCHEMA: &str = "isar-doctor/diff/1";

/// One comparison in JSON.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Report<'a> {
    /// Version of this contract.
    pub schema: &'static str,
    /// Path of the good image.
    pub good: &'a str,
    /// Path of the bad image.
    pub bad: &'a str,
    /// There is a difference that is no noise.
    pub differs: bool,
    /// Differences by weight and stage.
    pub changes: &'a [Change],
    /// The most likely cause.
    pub cause: Option<&'a Cause>,
    /// Findings of the good image.
    pub good_findings: &'a [Finding],
    /// Findings of the bad image.
    pub bad_findings: &'a [Finding],
}

/// As text.
pub fn render(
    comparison: &Comparison,
    heads: &Heads<'_>,
    good_findings: &[Finding],
    bad_findings: &[Finding],
) -> serde_json::Result<String> {
    let report = Report {
        schema: SCHEMA,
        good: heads.good,
        bad: heads.bad,
        differs: comparison.matters(),
        changes: &comparison.changes,
        cause: comparison.cause.as_ref(),
        good_findings,
        bad_findings,
    };
    serde_json::to_string_pretty(&report).map(|t| t + "\n")
}

/// The JSON Schema of [`Report`].
pub fn schema() -> serde_json::Result<String> {
    let settings = schemars::generate::SchemaSettings::default().for_serialize();
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Report<'static>>();
    serde_json::to_string_pretty(&schema).map(|t| t + "\n")
}
