//! Many boots of one image: a line each, what they have in common, and how close the race was.

use super::safe::safe;
use crate::critical_point::CriticalPoint;
use crate::diagnose::verdict::Verdict;
use crate::stage::Stage;
use comfy_table::{CellAlignment, Table};
use owo_colors::OwoColorize;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Version of the contract.
pub const SCHEMA: &str = "isar-doctor/repeat/1";

/// One boot.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Run {
    /// Counted from 1.
    pub number: u32,
    /// `healthy`, `racy`, `unhealthy` or `failed`.
    pub outcome: Kind,
    /// First stage that was not completed.
    pub stage: Option<Stage>,
    /// Critical point.
    pub critical_point: Option<CriticalPoint>,
    /// Cause id.
    pub cause_id: Option<String>,
    /// Cause as a sentence.
    pub cause: Option<String>,
    /// Milliseconds of the guest's clock from the device's appearance to the condition's check.
    pub margin_ms: Option<f64>,
    /// Seconds to the end of the watching.
    pub seconds: f64,
    /// The time limit ended it.
    pub timed_out: bool,
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The shell answered, and nothing was wrong that is not accepted.
    Healthy,
    /// The shell answered, and a race stood open.
    Racy,
    /// The shell answered, and something else was wrong.
    Unhealthy,
    /// The shell was not reached.
    Failed,
}

impl Run {
    /// What remains of a verdict.
    pub fn new(number: u32, verdict: &Verdict, seconds: f64, timed_out: bool) -> Run {
        let outcome = if !verdict.reached {
            Kind::Failed
        } else if verdict.healthy() {
            Kind::Healthy
        } else if verdict.racy {
            Kind::Racy
        } else {
            Kind::Unhealthy
        };
        Run {
            number,
            outcome,
            stage: verdict.stage,
            critical_point: verdict.critical_point,
            cause_id: verdict.cause_id.clone(),
            cause: verdict.cause.clone().or_else(|| verdict.unhealthy.clone()),
            margin_ms: verdict.margin_ms,
            seconds,
            timed_out,
        }
    }

    fn result(&self) -> String {
        match (self.outcome, self.stage) {
            (Kind::Failed, Some(stage)) => {
                let point = self.critical_point.map_or("unknown", CriticalPoint::id);
                format!("{} · {point}", stage.id())
            }
            (kind, _) => word(kind).to_owned(),
        }
    }
}

/// All boots.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Repeated {
    /// `isar-doctor/repeat/1`.
    pub schema: String,
    /// Image or start script.
    pub image: Option<String>,
    /// Under `--stress`.
    pub stress: bool,
    /// Every boot was healthy.
    pub healthy: bool,
    /// The boots did not all end alike, or a race stood open in one that reached the shell.
    pub racy: bool,
    /// Number of boots by outcome.
    pub outcomes: BTreeMap<Kind, u32>,
    /// Least, median and greatest margin in milliseconds, of the boots that tell it.
    pub margin_ms: Option<[f64; 3]>,
    /// The boots by number.
    pub runs: Vec<Run>,
}

impl Repeated {
    /// Counts.
    pub fn new(image: Option<String>, stress: bool, runs: Vec<Run>) -> Repeated {
        let mut outcomes = BTreeMap::new();
        for run in &runs {
            *outcomes.entry(run.outcome).or_insert(0) += 1;
        }
        let mut ends: Vec<_> = runs
            .iter()
            .map(|r| (r.outcome == Kind::Failed, r.stage))
            .collect();
        ends.dedup();
        let mut margins: Vec<f64> = runs.iter().filter_map(|r| r.margin_ms).collect();
        margins.sort_by(f64::total_cmp);
        let margin_ms = match (
            margins.first(),
            margins.get(margins.len() / 2),
            margins.last(),
        ) {
            (Some(least), Some(median), Some(most)) => Some([*least, *median, *most]),
            _ => None,
        };
        Repeated {
            schema: SCHEMA.to_owned(),
            image,
            stress,
            healthy: runs.iter().all(|r| r.outcome == Kind::Healthy),
            racy: ends.len() > 1 || outcomes.contains_key(&Kind::Racy),
            outcomes,
            margin_ms,
            runs,
        }
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Healthy => "healthy",
        Kind::Racy => "racy",
        Kind::Unhealthy => "unhealthy",
        Kind::Failed => "failed",
    }
}

fn margin(ms: Option<f64>) -> String {
    ms.map_or_else(String::new, |ms| format!("{ms:+.0} ms"))
}

/// One boot as a line of progress.
pub fn line(run: &Run) -> String {
    format!(
        "boot {}: {} after {:.1} s {}",
        run.number,
        run.result(),
        run.seconds,
        margin(run.margin_ms)
    )
    .trim_end()
    .to_owned()
}

/// For people.
pub fn human(repeated: &Repeated) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.force_no_tty();
    table.set_header(["boot", "ended", "margin", "seconds", "cause"]);
    for run in &repeated.runs {
        let cause = run.cause_id.as_deref().or(run.cause.as_deref());
        table.add_row([
            run.number.to_string(),
            run.result(),
            margin(run.margin_ms),
            format!("{:.1}", run.seconds),
            safe(cause.unwrap_or_default()).into_owned(),
        ]);
    }
    for column in [0, 2, 3] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut out = format!("{table}\n\n");
    let counts: Vec<String> = repeated
        .outcomes
        .iter()
        .map(|(kind, count)| format!("{count} {}", word(*kind)))
        .collect();
    let total = repeated.runs.len();
    let summary = format!("{total} boots: {}", counts.join(", "));
    let summary = if repeated.healthy {
        summary.green().bold().to_string()
    } else {
        summary.red().bold().to_string()
    };
    let _ = writeln!(out, "{summary}");
    if let Some([least, median, most]) = repeated.margin_ms {
        let _ = writeln!(
            out,
            "margin of the race: {least:+.0} to {most:+.0} ms, median {median:+.0} ms (from the device to the condition's check; negative: the check came first)"
        );
    }
    if repeated.racy {
        let _ = writeln!(out, "{} the outcome depends on timing", "racy:".yellow());
    }
    out
}

/// By the contract.
pub fn json(repeated: &Repeated) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(repeated).map(|text| text + "\n")
}

/// JSON Schema of the contract.
pub fn schema() -> Result<String, serde_json::Error> {
    let schema = schemars::schema_for!(Repeated);
    serde_json::to_string_pretty(&schema).map(|text| text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u32, outcome: Kind, margin_ms: Option<f64>) -> Run {
        Run {
            number,
            outcome,
            stage: (outcome == Kind::Failed).then_some(Stage::Unit),
            critical_point: None,
            cause_id: None,
            cause: None,
            margin_ms,
            seconds: 1.0,
            timed_out: false,
        }
    }

    #[test]
    fn boots_that_end_differently_are_racy() {
        let both = Repeated::new(
            None,
            false,
            vec![
                run(1, Kind::Racy, Some(80.0)),
                run(2, Kind::Failed, Some(-9.0)),
                run(3, Kind::Racy, None),
            ],
        );
        assert!(both.racy && !both.healthy);
        assert_eq!(both.margin_ms, Some([-9.0, 80.0, 80.0]));
        assert!(human(&both).contains("3 boots: 2 racy, 1 failed"));
        let same = Repeated::new(
            None,
            false,
            vec![run(1, Kind::Failed, None), run(2, Kind::Failed, None)],
        );
        assert!(!same.racy && !same.healthy);
        let well = Repeated::new(None, true, vec![run(1, Kind::Healthy, None)]);
        assert!(well.healthy && !well.racy);
    }
}
