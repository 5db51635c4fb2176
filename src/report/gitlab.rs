//! GitLab Code Quality report (a JSON array by GitLab's documentation of the format).

use super::Inspection;
use super::safe::safe;
use crate::checks::fingerprint::{fingerprint, in_image};
use crate::rules::Severity;
use serde_json::json;

/// All findings of all images.
pub fn render(inspections: &[Inspection]) -> serde_json::Result<String> {
    let mut issues = Vec::new();
    for inspection in inspections {
        match &inspection.outcome {
            Ok(judged) => {
                for finding in &judged.judgement.findings {
                    let severity = match finding.severity {
                        Severity::Error => "blocker",
                        Severity::Warning => "minor",
                        Severity::Pedantic => "info",
                    };
                    issues.push(json!({
                        "description": safe(&format!("{} ({})", finding.message, finding.location)),
                        "check_name": finding.rule,
                        "fingerprint": in_image(&inspection.path, &fingerprint(finding)),
                        "severity": severity,
                        "location": { "path": safe(&inspection.path), "lines": { "begin": finding.location.line.unwrap_or(1) } },
                    }));
                }
            }
            Err(error) => issues.push(json!({
                "description": safe(&error.to_string()),
                "check_name": "unreadable-image",
                "fingerprint": in_image(&inspection.path, "unreadable-image"),
                "severity": "blocker",
                "location": { "path": safe(&inspection.path), "lines": { "begin": 1 } },
            })),
        }
    }
    serde_json::to_string_pretty(&issues).map(|t| t + "\n")
}
