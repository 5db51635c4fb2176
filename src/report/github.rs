//! GitHub workflow commands: `::error file=…,title=…::message`.

use super::Inspection;
use super::safe::safe;
use crate::rules::Severity;

/// Data part: `%`, CR and LF are encoded.
fn data(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|l| safe(l).replace('%', "%25"))
        .collect();
    lines.join("%0A")
}

/// Property part: also `:` and `,`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// All findings of all images, one line each.
pub fn render(inspections: &[Inspection]) -> String {
    let mut out = String::new();
    for inspection in inspections {
        let file = property(&inspection.path);
        match &inspection.outcome {
            Ok(judged) => {
                for finding in &judged.judgement.findings {
                    let command = match finding.severity {
                        _ if finding.known() => "notice",
                        Severity::Error => "error",
                        Severity::Warning => "warning",
                        Severity::Pedantic => "notice",
                    };
                    let text = data(&format!(
                        "{}: {}\nfix: {}",
                        finding.location, finding.message, finding.fix
                    ));
                    out.push_str(&format!(
                        "::{command} file={file},title={}::{text}\n",
                        property(&finding.rule)
                    ));
                }
            }
            Err(error) => out.push_str(&format!(
                "::error file={file},title=unreadable image::{}\n",
                data(&error.to_string())
            )),
        }
    }
    out
}
