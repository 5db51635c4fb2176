//! A boot's result for people: the verdict first, then how far it came, then what to change.

use super::safe::safe;
use crate::boot::outcome::{Ended, Outcome};
use crate::diagnose::verdict::{Blame, Confidence, Verdict};
use crate::diagnose::{Predicted, Standing, asked};
use crate::stage::Stage;
use owo_colors::OwoColorize;
use std::io::{Result, Write};

/// Pieces of evidence shown; the JSON has all.
const EVIDENCE: usize = 8;
/// Findings of inspect shown.
const FINDINGS: usize = 10;

/// Writes the panel. Colours are written always; the stream strips them where they are not wanted.
pub fn write(
    out: &mut dyn Write,
    outcome: &Outcome,
    verdict: &Verdict,
    predicted: &[Predicted],
) -> Result<()> {
    headline(out, verdict)?;
    writeln!(out)?;
    if let Some(cause) = &verdict.cause {
        writeln!(out, "  {}", safe(cause).bold())?;
    }
    if let Some(unhealthy) = &verdict.unhealthy {
        writeln!(out, "  {} {}", "unhealthy:".yellow(), safe(unhealthy))?;
    }
    if verdict.racy {
        let margin = verdict.margin_ms.map_or_else(String::new, margin);
        writeln!(
            out,
            "  {} another boot of this image may end differently{margin}",
            "racy:".yellow()
        )?;
    }
    if let Some(reason) = &verdict.accepted {
        writeln!(out, "  {} {}", "accepted:".dimmed(), safe(reason))?;
    }
    if verdict.stage.is_some() {
        writeln!(
            out,
            "  blame: {} · confidence: {}{}",
            blame(verdict.blame),
            confidence(verdict.confidence),
            foreseen(verdict)
        )?;
    }
    writeln!(out)?;
    stages(out, outcome)?;
    if !verdict.evidence.is_empty() {
        writeln!(out, "\n{}", "Evidence".bold())?;
        for evidence in verdict.evidence.iter().take(EVIDENCE) {
            let time = evidence
                .t
                .map_or_else(|| " ".repeat(9), |t| format!("{t:9.3}"));
            writeln!(
                out,
                "  {time}  {:<10}  {}",
                safe(&evidence.source).dimmed(),
                safe(&evidence.text)
            )?;
        }
        if let Some(more) = verdict
            .evidence
            .len()
            .checked_sub(EVIDENCE)
            .filter(|n| *n > 0)
        {
            writeln!(out, "             … and {more} more")?;
        }
    }
    if let Some(fix) = &verdict.fix {
        writeln!(out, "\n{}", "Fix".bold())?;
        for line in fix.lines() {
            writeln!(out, "  {}", safe(line))?;
        }
    }
    units(out, outcome)?;
    experiments(out, verdict)?;
    findings(out, outcome, predicted)?;
    if !verdict.blind.is_empty() {
        writeln!(out, "\n{}", "Could not see".bold())?;
        for channel in &verdict.blind {
            writeln!(out, "  {}", safe(channel))?;
        }
    }
    writeln!(out)?;
    footer(out, outcome)
}

fn headline(out: &mut dyn Write, verdict: &Verdict) -> Result<()> {
    if verdict.healthy() {
        return writeln!(out, "{}", "REACHED: the shell answers".green().bold());
    }
    if verdict.reached {
        return writeln!(
            out,
            "{}",
            "REACHED, AND NOT HEALTHY: the shell answers"
                .yellow()
                .bold()
        );
    }
    let stage = verdict.stage.map_or("unknown", Stage::id);
    let point = verdict
        .critical_point
        .map_or_else(String::new, |c| format!(" · {}", c.id()));
    writeln!(out, "{}", format!("STOPPED at {stage}{point}").red().bold())
}

fn margin(ms: f64) -> String {
    if ms < 0.0 {
        format!(": this time the check came {:.0} ms before the device", -ms)
    } else {
        format!(": this time the device came {ms:.0} ms before the check")
    }
}

fn blame(blame: Blame) -> &'static str {
    match blame {
        Blame::Image => "the image",
        Blame::Launch => "the QEMU arguments",
        Blame::Host => "the host",
        Blame::Unknown => "unknown",
    }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Proven => "proven by experiment",
        Confidence::Observed => "observed",
        Confidence::Inferred => "inferred",
    }
}

fn foreseen(verdict: &Verdict) -> String {
    if verdict.foreseen_by.is_empty() {
        return String::new();
    }
    format!(
        " · foreseen by inspect: {}",
        safe(&verdict.foreseen_by.join(", "))
    )
}

fn stages(out: &mut dyn Write, outcome: &Outcome) -> Result<()> {
    let furthest = outcome.stages.furthest();
    for stage in Stage::ALL {
        match outcome.stages.get(stage) {
            Some(reached) => {
                let evidence = if reached.implied {
                    "(nothing of its own seen)".to_owned()
                } else {
                    safe(&reached.evidence).into_owned()
                };
                writeln!(
                    out,
                    "  {} {:<11} {:7.1} s  {}",
                    "✓".green(),
                    stage.id(),
                    reached.t,
                    evidence.dimmed()
                )?;
            }
            None if furthest.is_some_and(|f| f > stage) => {
                writeln!(out, "  {} {:<11} not seen", "✗".red(), stage.id())?;
            }
            None => writeln!(out, "  {} {}", "·".dimmed(), stage.id().dimmed())?,
        }
    }
    Ok(())
}

fn units(out: &mut dyn Write, outcome: &Outcome) -> Result<()> {
    let reports = asked::reports(&outcome.timeline, &outcome.names.asked);
    if reports.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", "Units".bold())?;
    for report in reports {
        writeln!(out, "  {}", safe(&report.text))?;
        if let Some(evidence) = &report.evidence {
            writeln!(out, "      {}", safe(&evidence.text).dimmed())?;
        }
        if !report.pending.is_empty() {
            let jobs = report.pending.join(", ");
            writeln!(out, "      jobs that still ran: {}", safe(&jobs))?;
        }
    }
    Ok(())
}

fn experiments(out: &mut dyn Write, verdict: &Verdict) -> Result<()> {
    if verdict.experiments.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", "Experiments".bold())?;
    for experiment in &verdict.experiments {
        let stage = experiment.stage.map_or("nothing", Stage::id);
        writeln!(
            out,
            "  {:<40} {:<10} {:6.1} s  {}",
            safe(&experiment.lever),
            stage,
            experiment.seconds,
            safe(&experiment.text)
        )?;
    }
    Ok(())
}

fn findings(out: &mut dyn Write, outcome: &Outcome, predicted: &[Predicted]) -> Result<()> {
    if !outcome.launch_findings.is_empty() {
        writeln!(out, "\n{}", "QEMU arguments".bold())?;
        for f in &outcome.launch_findings {
            writeln!(
                out,
                "  {}[{}] {}",
                severity(f.severity == "error"),
                f.rule,
                safe(&f.message)
            )?;
            writeln!(out, "      at   {}", safe(&f.argument))?;
            writeln!(out, "      fix  {}", safe(&f.fix))?;
        }
    }
    let told: Vec<&Predicted> = predicted
        .iter()
        .filter(|p| p.standing() != Standing::Off)
        .collect();
    if !told.is_empty() {
        writeln!(out, "\n{}", "What inspect says about the image".bold())?;
        for p in told.iter().take(FINDINGS) {
            let (label, reason) = match p.standing() {
                Standing::Accepted(reason) => ("accepted".dimmed().to_string(), Some(reason)),
                standing => (severity(standing == Standing::Error), None),
            };
            writeln!(
                out,
                "  {label}[{}] {} ({})",
                p.rule,
                safe(&p.message),
                safe(&p.location.to_string())
            )?;
            if let Some(reason) = reason {
                writeln!(out, "      reason  {}", safe(&reason))?;
            }
        }
        if let Some(more) = told.len().checked_sub(FINDINGS).filter(|n| *n > 0) {
            writeln!(
                out,
                "  … and {more} more: isar-doctor inspect shows them all"
            )?;
        }
    }
    Ok(())
}

fn severity(error: bool) -> String {
    if error {
        "error".red().to_string()
    } else {
        "warning".yellow().to_string()
    }
}

fn footer(out: &mut dyn Write, outcome: &Outcome) -> Result<()> {
    let host = &outcome.host;
    let qemu = host.qemu_version.as_deref().unwrap_or("?");
    let accel = host.accel.as_deref().unwrap_or("?");
    let why = host
        .kvm_trouble
        .as_ref()
        .map_or_else(String::new, |t| format!(" (KVM is not used: {})", safe(t)));
    if outcome.ended != Ended::LogEnds {
        writeln!(out, "{}", format!("QEMU {qemu}, {accel}{why}").dimmed())?;
    }
    writeln!(
        out,
        "{}",
        format!("ended: {}", ended(&outcome.ended)).dimmed()
    )?;
    for added in &outcome.added_by_doctor {
        writeln!(out, "{}", format!("added: {}", safe(added)).dimmed())?;
    }
    Ok(())
}

/// Why the watching ended, in words.
pub fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Finished => "the guest was asked and had settled".to_owned(),
        Ended::Conclusive { evidence } => format!("nothing more to wait for: {}", safe(evidence)),
        Ended::Quiet { seconds } => format!("the guest was quiet for {seconds:.0} s"),
        Ended::Spinning { seconds } => {
            format!("the guest's CPUs ran for {seconds:.0} s without any visible work")
        }
        Ended::NotStarted { what } => format!("not started: {}", safe(what)),
        Ended::MachineGone => "QEMU ended by itself".to_owned(),
        Ended::LogEnds => "the saved log ends here".to_owned(),
        Ended::Timeout { seconds } => format!("--timeout of {seconds:.0} s was over"),
        Ended::Interrupted { signal } => format!("stopped by the user (signal {signal})"),
    }
}

/// The timeline, one line per observation.
pub fn write_timeline(out: &mut dyn Write, outcome: &Outcome) -> Result<()> {
    for seen in &outcome.timeline {
        writeln!(
            out,
            "{:9.3}  {:<10}  {}",
            seen.t,
            seen.source.id(),
            safe(&seen.event.text())
        )?;
    }
    Ok(())
}
