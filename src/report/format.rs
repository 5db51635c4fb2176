//! The output formats by name.

use super::style::Look;
use super::{
    Inspection, github, gitlab, html, human, json, junit, markdown, sarif, summary, suppressions,
};

/// Formats of `inspect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: the chain, the critical-points table, findings as source snippets.
    Human,
    /// One JSON document by the published schema.
    Json,
    /// One JSON object a line, one line an image.
    Jsonl,
    /// SARIF 2.1.0, for code-scanning services.
    Sarif,
    /// JUnit XML, for test reports.
    Junit,
    /// GitLab Code Quality.
    Gitlab,
    /// GitHub workflow annotations.
    Github,
    /// Markdown, for a merge-request comment.
    Markdown,
    /// One self-contained page.
    Html,
}

/// Renders all images in one format.
pub fn render(
    format: Format,
    inspections: &[Inspection],
    look: Look,
    brief: bool,
) -> Result<String, serde_json::Error> {
    Ok(match format {
        Format::Human => {
            let many = inspections.len() > 1;
            let mut text: String = inspections
                .iter()
                .map(|i| human::render(i, look, brief || many))
                .collect();
            text.push_str(&suppressions::notes(inspections, look));
            if many {
                text.push_str(&format!("\n{}\n", summary::table(inspections, look)));
            }
            text
        }
        Format::Json => json::render(inspections)?,
        Format::Jsonl => json::render_lines(inspections)?,
        Format::Sarif => sarif::render(inspections)?,
        Format::Junit => junit::render(inspections),
        Format::Gitlab => gitlab::render(inspections)?,
        Format::Github => github::render(inspections),
        Format::Markdown => markdown::render(inspections),
        Format::Html => html::inspect(inspections),
    })
}
