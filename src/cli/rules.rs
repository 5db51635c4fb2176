//! `isar-doctor rules` and `isar-doctor explain`.

use super::config::ConfigChoice;
use super::inspect::profile;
use super::output::{Failure, write_out};
use super::policy::{Asked, Policy};
use crate::profile::Profile;
use crate::report::rule_docs;
use crate::report::safe::safe;
use crate::report::style::{ColourChoice, Look};
use crate::rules::{Rule, builtin, load, nearest};
use clap::Args;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Lists the rules, or checks rule files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isar-doctor rules                       all built-in rules
  isar-doctor rules --rules ci/rules      with a team's own
  isar-doctor rules --check ci/rules      are the rule files right?")]
pub struct RulesArgs {
    /// Check this rule file, or all of this directory, and list nothing; mistakes are told as FILE:LINE:COLUMN
    #[arg(long, value_name = "PATH")]
    check: Option<PathBuf>,
    /// Also list the rules of this directory
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigChoice,
    /// Write a Markdown page for each built-in rule and an index into this directory
    #[arg(long, value_name = "DIR", hide = true)]
    write_docs: Option<PathBuf>,
}

/// Explains a rule.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  isar-doctor explain backdoor-device-not-pulled-in")]
pub struct ExplainArgs {
    /// Rule id
    rule: String,
    /// Also look for it in this directory
    #[arg(long, value_name = "DIR")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    config: ConfigChoice,
}

/// The rules, of which the configuration's replace the built-in ones and the command line's both; and the names to tell them by.
fn known(config: &ConfigChoice, given: &[PathBuf]) -> Result<(Vec<Rule>, Profile), Failure> {
    let loaded = config.load()?;
    let asked = Asked {
        rules: given.to_vec(),
        ..Asked::default()
    };
    let policy = Policy::new(&asked, loaded.as_ref())?;
    Ok((policy.rules, profile(&policy.profile)?))
}

/// `rules`.
pub fn list(args: &RulesArgs) -> Result<ExitCode, Failure> {
    if let Some(dir) = &args.write_docs {
        return write_docs(dir, &builtin::rules());
    }
    if let Some(path) = &args.check {
        return check(path);
    }
    let (rules, profile) = known(&args.config, &args.rules)?;
    if args.json {
        let text = serde_json::to_string_pretty(&rules).map_err(Failure::internal)?;
        write_out(None, &(text + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let look = Look::detect(ColourChoice::Auto, false);
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width)
        .force_no_tty();
    table.set_header(["rule", "severity", "stage", "critical point", "defect"]);
    // An id that is broken over lines could not be searched for.
    if let Some(ids) = table.column_mut(0) {
        ids.set_constraint(ColumnConstraint::ContentWidth);
    }
    for rule in rules.iter().map(|r| r.named(&profile)) {
        table.add_row([
            rule.id.as_str(),
            rule.severity.id(),
            rule.stage.id(),
            rule.critical_point.id(),
            rule.title.as_str(),
        ]);
    }
    write_out(
        None,
        &format!(
            "{table}\n{} rules; `isar-doctor explain RULE` tells more\n",
            rules.len()
        ),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn write_docs(dir: &Path, rules: &[Rule]) -> Result<ExitCode, Failure> {
    std::fs::create_dir_all(dir)
        .map_err(|e| Failure::usage(format!("cannot make {}: {e}", dir.display())))?;
    let pages = rule_docs::pages(rules);
    for (name, text) in &pages {
        write_out(Some(&dir.join(name)), text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `rules --check`. The mistakes are the result, so they go to stdout: editors read `file:line:column: message`.
fn check(path: &Path) -> Result<ExitCode, Failure> {
    let name = path.display();
    let read = match path.is_dir() {
        true => load::directory(path),
        false => load::file(path).map(|rule| vec![rule]).map_err(|e| vec![e]),
    };
    let mut mistakes: Vec<String> = Vec::new();
    let mut rules = Vec::new();
    match read {
        Ok(read) => rules = read,
        Err(errors) => mistakes.extend(errors.iter().map(ToString::to_string)),
    }
    let builtin = builtin::rules();
    let mut known: Vec<&str> = builtin.iter().map(|r| r.id.as_str()).collect();
    let replaced: Vec<&str> = rules.iter().map(|r| r.id.as_str()).collect();
    let replaced: Vec<&str> = replaced.into_iter().filter(|r| known.contains(r)).collect();
    known.extend(rules.iter().map(|r| r.id.as_str()));
    for rule in &rules {
        for other in rule.unless.iter().filter(|o| !known.contains(&o.as_str())) {
            let hint = did_you_mean(other, &known);
            mistakes.push(format!(
                "{name}: {}: `unless` names no rule: `{other}`{hint}",
                rule.id
            ));
        }
    }
    if mistakes.is_empty() && rules.is_empty() {
        mistakes.push(format!("{name}: there is no rule file (*.yaml)"));
    }
    if !mistakes.is_empty() {
        let text = mistakes.join("\n");
        let lines: Vec<_> = text.lines().map(safe).collect();
        write_out(None, &format!("{}\n", lines.join("\n")))?;
        return Ok(ExitCode::from(2));
    }
    let mut out = format!(
        "OK: {} rule{} in {name}\n",
        rules.len(),
        if rules.len() == 1 { "" } else { "s" }
    );
    for id in replaced {
        let _ = writeln!(out, "note: `{id}` replaces the built-in rule");
    }
    write_out(None, &out)?;
    Ok(ExitCode::SUCCESS)
}

fn did_you_mean(word: &str, known: &[&str]) -> String {
    nearest(word, known)
        .map(|n| format!("; did you mean `{n}`?"))
        .unwrap_or_default()
}

/// `explain`.
pub fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let (rules, profile) = known(&args.config, &args.rules)?;
    let Some(rule) = rules.iter().find(|r| r.id == args.rule) else {
        let ids: Vec<&str> = rules.iter().map(|r| r.id.as_str()).collect();
        let hint = did_you_mean(&args.rule, &ids);
        return Err(Failure::usage(format!(
            "there is no rule `{}`{hint}",
            args.rule
        )));
    };
    write_out(
        None,
        &page(
            &rule.named(&profile),
            Look::detect(ColourChoice::Auto, false),
        ),
    )?;
    Ok(ExitCode::SUCCESS)
}

fn page(rule: &Rule, look: Look) -> String {
    let mut out = format!("{}\n{}\n\n", look.bold(&rule.id), rule.title);
    let _ = writeln!(
        out,
        "severity {}, stage {}, critical point {}, since {}\n",
        look.severity(rule.severity, rule.severity.id()),
        rule.stage,
        rule.critical_point,
        rule.since
    );
    let mut section = |title: &str, text: &str| {
        let _ = writeln!(out, "{}\n{}\n", look.bold(title), indent(text));
    };
    section("Why the boot fails", &rule.why);
    section("What you will see", &rule.symptom);
    if let Some(example) = &rule.example {
        section("Bad", &example.bad);
        section("Good", &example.good);
    }
    section("Fix in the image", &rule.fix.image);
    section("Fix in ISAR", &rule.fix.isar);
    section("Silence it, in .isar-doctor.yaml", &silence(&rule.id));
    section(
        "Silence it once",
        &format!("isar-doctor inspect --ignore {} IMAGE", rule.id),
    );
    if !rule.references.is_empty() {
        section("References", &rule.references.join("\n"));
    }
    out
}

/// A suppression, ready to be put into the configuration.
fn silence(id: &str) -> String {
    format!(
        "suppressions:\n  - rule: {id}\n    reason: say here why it is accepted\n    # only where, and until when:\n    # image: \"*-legacy.wic\"\n    # location: \"*/some.file\"\n    # expires: 2030-12-31\n\nOr with another severity (error, warning, pedantic, off):\nseverities:\n  {id}: warning"
    )
}

fn indent(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|l| format!("  {l}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
