//! The pages of `docs/rules/`: one for each rule, and an index. Generated, so that they say what the rules say.

use crate::profile::Profile;
use crate::rules::critical_points::{Row, table};
use crate::rules::{Rule, fill_text};
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// All pages by file name.
pub fn pages(rules: &[Rule]) -> BTreeMap<String, String> {
    let points = table();
    let mut pages: BTreeMap<String, String> = rules
        .iter()
        .map(|rule| (format!("{}.md", rule.id), page(rule, &points)))
        .collect();
    pages.insert("README.md".into(), index(rules));
    pages
}

fn index(rules: &[Rule]) -> String {
    let mut out = String::from(
        "# Rules\n\nBy the stage at which the boot fails, in the order of the boot. `isar-doctor explain RULE` shows the same on the \
         terminal.\nThese pages are generated from `rules/*.yaml`: `make docs` writes them, a test keeps them equal.\n",
    );
    for stage in Stage::ALL {
        let mut here: Vec<&Rule> = rules.iter().filter(|r| r.stage == stage).collect();
        if here.is_empty() {
            continue;
        }
        here.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.id.cmp(&b.id)));
        let _ = write!(
            out,
            "\n## {stage}\n\n| rule | severity | critical point | defect |\n|---|---|---|---|\n"
        );
        for rule in here {
            let _ = writeln!(
                out,
                "| [{id}]({id}.md) | {} | `{}` | {} |",
                rule.severity.id(),
                rule.critical_point,
                cell(&named(&rule.title)),
                id = rule.id
            );
        }
    }
    let _ = writeln!(out, "\n{} rules.", rules.len());
    out
}

fn page(rule: &Rule, points: &[Row]) -> String {
    let mut out = format!(
        "# {}\n\n**{}**\n\n| severity | stage | critical point | profiles | check | since |\n|---|---|---|---|---|---|\n",
        rule.id,
        plain(&named(&rule.title))
    );
    let profiles = match rule.profiles.as_slice() {
        [] => "all".to_owned(),
        some => some.join(", "),
    };
    let _ = writeln!(
        out,
        "| {} | `{}` | `{}` | {profiles} | `{}` | {} |",
        rule.severity.id(),
        rule.stage,
        rule.critical_point,
        rule.check,
        rule.since
    );
    if let Some(row) = points.iter().find(|r| r.id == rule.critical_point) {
        let _ = writeln!(
            out,
            "\nThe critical point: {}. {}. When it fails: {}.",
            code(&row.location),
            plain(&row.what_happens),
            plain(&row.failure_mode)
        );
    }
    section(&mut out, "Why the boot fails", &rule.why);
    section(&mut out, "What you will see", &rule.symptom);
    if let Some(example) = &rule.example {
        section_code(&mut out, "Bad", &example.bad);
        section_code(&mut out, "Good", &example.good);
    }
    section(&mut out, "Fix in the image", &rule.fix.image);
    section(&mut out, "Fix in ISAR", &rule.fix.isar);
    silence(&mut out, rule);
    if !rule.references.is_empty() {
        out.push_str("\n## References\n\n");
        for reference in &rule.references {
            let _ = writeln!(out, "- {}", plain(reference));
        }
    }
    if !rule.unless.is_empty() {
        out.push_str("\n## Explained by\n\nWhen one of these is found, this rule is told as its consequence:\n\n");
        for other in &rule.unless {
            let _ = writeln!(out, "- [{other}]({other}.md)");
        }
    }
    out.push_str("\n[All rules](README.md)\n");
    out
}

fn silence(out: &mut String, rule: &Rule) {
    let _ = writeln!(
        out,
        "\n## Silence it\n\nFor one run: `isar-doctor inspect --ignore {id} image.wic`. For good, in `.isar-doctor.yaml` \
         ([configuration](../configuration.md)):\n\n```yaml\nsuppressions:\n  - rule: {id}\n    reason: why it is accepted\n```",
        id = rule.id
    );
}

fn section(out: &mut String, title: &str, text: &str) {
    let _ = writeln!(out, "\n## {title}\n\n{}", plain(&named(text)));
}

/// With the names of the default profile, as most readers know them.
fn named(text: &str) -> String {
    fill_text(text.trim(), &Profile::default().names())
}

fn section_code(out: &mut String, title: &str, text: &str) {
    // A fence longer than any run of backticks inside.
    let longest = text
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    let _ = writeln!(out, "\n## {title}\n\n{fence}\n{}\n{fence}", named(text));
}

/// Rule texts are plain text with code spans; outside of these an angle bracket or an asterisk would be markup.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_code = false;
    for c in text.chars() {
        if c == '`' {
            in_code = !in_code;
        } else if !in_code && matches!(c, '<' | '>' | '*' | '_' | '[' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup_and_code_stays() {
        assert_eq!(plain("a <b> `<c>` d_e"), "a \\<b\\> `<c>` d\\_e");
        let mut out = String::new();
        section_code(&mut out, "Bad", "a ``` b");
        assert_eq!(out, "\n## Bad\n\n````\na ``` b\n````\n");
    }
}
