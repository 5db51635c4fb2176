//! SARIF 2.1.0 (OASIS standard). The artifact is the image; the place inside it is a logical location.

use super::Inspection;
use super::safe::{safe, safe_lines};
use crate::checks::baseline::{Entry, State};
use crate::checks::fingerprint::fingerprint;
use crate::checks::run::Finding;
use crate::rules::{Severity, builtin};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Pedantic => "note",
    }
}

fn result(image: &str, finding: &Finding) -> Value {
    let mut inside = json!({
        "name": safe(&finding.location.to_string()),
        "kind": "resource",
    });
    if let Some(partition) = &finding.location.partition {
        inside["fullyQualifiedName"] = json!(safe(&format!(
            "{partition}:{}",
            finding.location.path.as_deref().unwrap_or("/")
        )));
    }
    let mut physical = json!({ "artifactLocation": { "uri": uri(image) } });
    if let Some(line) = finding.location.line {
        physical["region"] = json!({ "startLine": line });
        if let Some(snippet) = &finding.snippet {
            physical["region"]["snippet"] = json!({ "text": snippet.text.lines().nth((snippet.line - snippet.first_line) as usize).map(safe) });
        }
    }
    let because: String = finding
        .evidence
        .iter()
        .map(|e| format!("\n- {}", safe(&e.text)))
        .collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": format!("{}{because}\n\nFix: {}", safe(&finding.message), safe_lines(&finding.fix)) },
        "locations": [{ "physicalLocation": physical, "logicalLocations": [inside] }],
        "partialFingerprints": { "isarDoctor/v1": fingerprint(finding) },
        "properties": { "stage": finding.stage, "criticalPoint": finding.critical_point },
    });
    if let Some(state) = finding.baseline {
        result["baselineState"] = json!(match state {
            State::New => "new",
            State::Known => "unchanged",
        });
    }
    result
}

/// A finding of the baseline that is gone.
fn absent(image: &str, entry: &Entry) -> Value {
    json!({
        "ruleId": entry.rule,
        "level": level(entry.severity),
        "message": { "text": safe(&entry.message) },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(image) } },
            "logicalLocations": [{ "name": safe(&entry.location), "kind": "resource" }],
        }],
        "partialFingerprints": { "isarDoctor/v1": entry.fingerprint },
        "baselineState": "absent",
    })
}

/// A relative or file URI; characters that a URI cannot hold are percent-encoded.
fn uri(path: &str) -> String {
    let encoded: String = path
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
                (b as char).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    if encoded.starts_with('/') {
        format!("file://{encoded}")
    } else {
        encoded
    }
}

/// Rules of a team, as far as their findings tell of them.
fn own(inspections: &[Inspection]) -> Vec<Value> {
    let builtin = builtin::rules();
    let mut seen: BTreeSet<&str> = builtin.iter().map(|r| r.id.as_str()).collect();
    inspections
        .iter()
        .filter_map(|i| i.outcome.as_ref().ok())
        .flat_map(|j| {
            let silent = j.judgement.suppressed.iter().map(|s| &s.finding);
            j.judgement.findings.iter().chain(silent)
        })
        .filter(|f| seen.insert(f.rule.as_str()))
        .map(|f| {
            json!({
                "id": f.rule,
                "shortDescription": { "text": safe(&f.message) },
                "help": { "text": format!("In the image: {}\n\nIn ISAR: {}", safe_lines(&f.fix), safe_lines(&f.fix_isar)) },
                "defaultConfiguration": { "level": level(f.severity) },
                "properties": { "stage": f.stage, "criticalPoint": f.critical_point },
            })
        })
        .collect()
}

/// One run over all images.
pub fn render(inspections: &[Inspection]) -> serde_json::Result<String> {
    let judged = inspections.iter().find_map(|i| i.outcome.as_ref().ok());
    let profile = judged.map(|j| j.facts.profile.clone()).unwrap_or_default();
    let mut rules: Vec<Value> = builtin::rules()
        .iter()
        .map(|rule| rule.named(&profile))
        .map(|rule| {
            json!({
                "id": rule.id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why.trim() },
                "help": {
                    "text": format!("In the image: {}\n\nIn ISAR: {}", rule.fix.image.trim(), rule.fix.isar.trim()),
                    "markdown": format!("{}\n\n**What you will see:** {}\n\n**In the image:** {}\n\n**In ISAR:** {}", rule.why.trim(), rule.symptom.trim(), rule.fix.image.trim(), rule.fix.isar.trim()),
                },
                "defaultConfiguration": { "level": level(rule.severity) },
                "properties": { "stage": rule.stage, "criticalPoint": rule.critical_point },
            })
        })
        .collect();
    rules.extend(own(inspections));
    let mut results = Vec::new();
    let mut troubles = Vec::new();
    for inspection in inspections {
        match &inspection.outcome {
            Ok(judged) => {
                let judgement = &judged.judgement;
                results.extend(judgement.findings.iter().map(|f| result(&inspection.path, f)));
                results.extend(judgement.fixed.iter().map(|e| absent(&inspection.path, e)));
                for silent in &judgement.suppressed {
                    let mut result = result(&inspection.path, &silent.finding);
                    result["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": safe(&silent.reason) }]);
                    results.push(result);
                }
            }
            Err(error) => troubles.push(json!({ "level": "error", "message": { "text": safe(&format!("{}: {error}", inspection.path)) } })),
        }
    }
    // Where some results have suppressions, an empty list says that the others have none.
    if results.iter().any(|r| r.get("suppressions").is_some()) {
        for result in &mut results {
            if result.get("suppressions").is_none() {
                result["suppressions"] = json!([]);
            }
        }
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "isar-doctor", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": troubles.is_empty(), "toolExecutionNotifications": troubles }],
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).map(|t| t + "\n")
}
