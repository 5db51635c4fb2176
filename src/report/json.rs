//! JSON by the published schema (`docs/schema/inspect.schema.json`).

use super::summary::Counts;
use super::{Inspection, Judged};
use crate::checks::baseline::Entry;
use crate::checks::points::State;
use crate::checks::run::{Finding, Untold};
use crate::checks::silence::Suppressed;
use crate::config::Suppression;
use crate::critical_point::CriticalPoint;
use crate::inspect::error::Error;
use crate::inspect::facts::Facts;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of the contract. A field that is removed or changes its meaning makes a new number.
pub const SCHEMA: &str = "isar-doctor/inspect/1";

/// One image in JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub struct Report<'a> {
    /// Version of this contract.
    pub schema: &'static str,
    /// Path as given.
    pub image: &'a str,
    /// Everything known of the image; null when it could not be judged.
    pub facts: Option<&'a Facts>,
    /// Findings.
    pub findings: &'a [Finding],
    /// Findings that the configuration suppresses, with the reason; they do not count.
    pub suppressed: &'a [Suppressed],
    /// Suppressions for this image that silenced nothing.
    pub unused_suppressions: &'a [Suppression],
    /// Suppressions for this image that have expired and silence no more.
    pub expired_suppressions: &'a [Suppression],
    /// Findings of the baseline that no longer occur.
    pub fixed: &'a [Entry],
    /// Rules that could not be judged.
    pub cannot_tell: &'a [Untold],
    /// State of each critical point.
    pub critical_points: BTreeMap<CriticalPoint, State>,
    /// Counts.
    pub summary: Counts,
    /// Why the image could not be judged.
    pub error: Option<&'a Error>,
}

/// The report of one image.
pub fn report(inspection: &Inspection) -> Report<'_> {
    let judged: Option<&Judged> = inspection.outcome.as_ref().ok().map(Box::as_ref);
    Report {
        schema: SCHEMA,
        image: &inspection.path,
        facts: judged.map(|j| &j.facts),
        findings: judged
            .map(|j| j.judgement.findings.as_slice())
            .unwrap_or_default(),
        suppressed: judged
            .map(|j| j.judgement.suppressed.as_slice())
            .unwrap_or_default(),
        unused_suppressions: judged
            .map(|j| j.judgement.unused.as_slice())
            .unwrap_or_default(),
        expired_suppressions: judged
            .map(|j| j.judgement.expired.as_slice())
            .unwrap_or_default(),
        fixed: judged
            .map(|j| j.judgement.fixed.as_slice())
            .unwrap_or_default(),
        cannot_tell: judged
            .map(|j| j.judgement.untold.as_slice())
            .unwrap_or_default(),
        critical_points: judged
            .map(|j| {
                let points = j.judgement.points.iter();
                points.map(|p| (p.id, p.state)).collect()
            })
            .unwrap_or_default(),
        summary: judged.map(Counts::of).unwrap_or_default(),
        error: inspection.outcome.as_ref().err(),
    }
}

/// One object for one image, an array for several.
pub fn render(inspections: &[Inspection]) -> serde_json::Result<String> {
    let text = match inspections {
        [one] => serde_json::to_string_pretty(&report(one)),
        many => serde_json::to_string_pretty(&many.iter().map(report).collect::<Vec<_>>()),
    };
    text.map(|t| t + "\n")
}

/// One line for each image.
pub fn render_lines(inspections: &[Inspection]) -> serde_json::Result<String> {
    inspections
        .iter()
        .map(|i| serde_json::to_string(&report(i)).map(|t| t + "\n"))
        .collect()
}

/// The JSON Schema of [`Report`], as it is written: what is left out when it is empty is not required.
pub fn schema() -> serde_json::Result<String> {
    let settings = schemars::generate::SchemaSettings::default().for_serialize();
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Report<'static>>();
    serde_json::to_string_pretty(&schema).map(|t| t + "\n")
}
