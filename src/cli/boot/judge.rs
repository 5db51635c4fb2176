//! From observations to a judged, printed result: shared by `boot` and `replay`.

use super::Format;
use crate::boot::ending::Conclusion;
use crate::boot::expect::Expectation;
use crate::boot::names::Names;
use crate::boot::outcome::{Ended, Outcome};
use crate::boot::setup::host_facts;
use crate::boot::stages::Stages;
use crate::boot::timeline::Observation;
use crate::boot::trouble::BootError;
use crate::checks::foreseen::foreseen;
use crate::cli::output::Failure;
use crate::cli::policy::Policy;
use crate::config::FailOn;
use crate::critical_point::CriticalPoint;
use crate::diagnose::verdict::{Blame, Confidence, Verdict};
use crate::diagnose::{self, Case, Predicted, Standing};
use crate::inspect::facts::Facts;
use crate::inspect::{self, Options};
use crate::profile::Profile;
use crate::report::{boot_human, boot_json, safe::safe};
use crate::rules::Severity;
use crate::stage::Stage;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// What inspect says about the image; nothing when it cannot read it (the boot may still tell).
pub struct Inspected {
    profile: Profile,
    facts: Option<Facts>,
    predicted: Vec<Predicted>,
    asked: Vec<String>,
    fail_on: FailOn,
}

/// Reads the image offline and judges it as the configuration has it.
pub fn inspect(image: &Path, policy: &Policy) -> Result<Inspected, Failure> {
    let profile = crate::cli::inspect::profile(&policy.profile)?;
    let options = Options {
        profile: profile.clone(),
        ..Options::default()
    };
    let facts = inspect::inspect(image, &options).ok();
    let predicted = facts.as_ref().map_or_else(Vec::new, |facts| {
        let silencer = policy.silencer(image);
        foreseen(facts, &policy.rules, &policy.selection, &silencer)
    });
    Ok(Inspected {
        profile,
        facts,
        predicted,
        asked: Vec::new(),
        fail_on: policy.fail_on,
    })
}

impl Inspected {
    /// With units to tell about.
    pub fn asked(mut self, units: &[String]) -> Inspected {
        self.asked = units.to_vec();
        self
    }

    /// Names that guide the stage machine.
    pub fn names(&self) -> Names {
        let mut names = match &self.facts {
            Some(facts) => Names::from_facts(facts),
            None => Names::from_profile(&self.profile),
        };
        names.ask(&self.asked, self.facts.as_ref());
        names
    }

    /// Consoles of the kernel command line.
    pub fn consoles(&self) -> Option<Vec<String>> {
        let cmdline = self.facts.as_ref()?.cmdline.known()?;
        let consoles = cmdline
            .values("console")
            .map(|c| c.split(',').next().unwrap_or_default().to_owned());
        Some(consoles.collect())
    }

    /// A boot of the image, judged.
    pub fn judge(&self, outcome: Outcome) -> Judged {
        let judged = Judged::new(outcome, self.predicted.clone());
        judged.failing_on(self.fail_on)
    }

    /// Everything known of the image.
    pub fn facts(&self) -> Option<&Facts> {
        self.facts.as_ref()
    }
}

/// Judges evidence while the boot runs.
pub fn conclude(timeline: &[Observation], stages: &Stages, names: &Names) -> Option<Conclusion> {
    let description = names.unit_description.as_deref();
    let found = diagnose::conclusive(timeline, stages, names, description)?;
    Some(Conclusion {
        until: found.t + found.linger,
        evidence: found.evidence,
    })
}

/// A boot with its verdict.
pub struct Judged {
    /// What was seen.
    pub outcome: Outcome,
    /// What inspect had foreseen.
    pub predicted: Vec<Predicted>,
    verdict: Verdict,
    fail_on: FailOn,
}

impl Judged {
    /// Judges.
    pub fn new(outcome: Outcome, predicted: Vec<Predicted>) -> Judged {
        let verdict = diagnose::verdict(&Case {
            timeline: &outcome.timeline,
            stages: &outcome.stages,
            names: &outcome.names,
            description: outcome.names.unit_description.as_deref(),
            predicted: &predicted,
            blind: &outcome.blind,
            ended: Some(&outcome.ended),
            command: &outcome.command,
        });
        Judged {
            outcome,
            predicted,
            verdict,
            fail_on: FailOn::Error,
        }
    }

    /// With another threshold for findings about a boot that reached its shell.
    pub fn failing_on(mut self, fail_on: FailOn) -> Judged {
        self.fail_on = fail_on;
        self
    }

    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The verdict, to add experiments to.
    pub fn verdict_mut(&mut self) -> &mut Verdict {
        &mut self.verdict
    }

    /// Prints the result to stdout or a file.
    pub fn print(&self, format: Format, trace: bool, file: Option<&Path>) -> Result<(), BootError> {
        let trouble = |path: &Path, error: std::io::Error| {
            BootError::Usage(format!("{}: {error}", path.display()))
        };
        match file {
            Some(path) => {
                let mut out = anstream::StripStream::new(Vec::new());
                self.write(&mut out, format, trace)
                    .and_then(|()| std::fs::write(path, out.into_inner()))
                    .map_err(|e| trouble(path, e))
            }
            None => {
                let mut out = anstream::stdout().lock();
                // A reader that closed the pipe has seen enough.
                let _ = self
                    .write(&mut out, format, trace)
                    .and_then(|()| out.flush());
                Ok(())
            }
        }
    }

    fn write(&self, out: &mut dyn Write, format: Format, trace: bool) -> std::io::Result<()> {
        match format {
            Format::Json => {
                let report =
                    boot_json::report(&self.outcome, self.verdict.clone(), &self.predicted);
                serde_json::to_writer_pretty(&mut *out, &report)?;
                writeln!(out)
            }
            Format::Human => {
                if trace {
                    boot_human::write_timeline(out, &self.outcome)?;
                    writeln!(out)?;
                }
                boot_human::write(out, &self.outcome, &self.verdict, &self.predicted)
            }
        }
    }

    /// 0 healthy or as expected, 1 not, 128 + signal when the user stopped it.
    pub fn exit_code(&self, expectation: Option<&Expectation>) -> ExitCode {
        if let Ended::Interrupted { signal } = self.outcome.ended {
            return ExitCode::from(u8::try_from(128 + signal).unwrap_or(130));
        }
        let good = match expectation {
            Some(expectation) => expectation.met(&self.verdict),
            None => self.verdict.healthy() && !self.has_findings(),
        };
        ExitCode::from(u8::from(!good))
    }

    fn has_findings(&self) -> bool {
        let launch = self.outcome.launch_findings.iter();
        let launch = launch.map(|f| match f.severity.as_str() {
            "error" => Severity::Error,
            _ => Severity::Warning,
        });
        let image = self.predicted.iter().filter_map(|p| match p.standing() {
            Standing::Error => Some(Severity::Error),
            Standing::Warning => Some(Severity::Warning),
            Standing::Accepted(_) | Standing::Off => None,
        });
        launch.chain(image).any(|s| self.fail_on.reached(s))
    }
}

/// The JSON of a boot that the host could not start, so that programs always get their document.
pub fn report_trouble(error: &BootError, image: Option<&Path>, file: Option<&Path>) {
    let BootError::Host(trouble) = error else {
        return;
    };
    let outcome = Outcome {
        image: image.map(|i| i.display().to_string()),
        host: host_facts(),
        command: Vec::new(),
        added_by_doctor: Vec::new(),
        blind: Vec::new(),
        names: Names::from_profile(&Profile::default()),
        timeline: Vec::new(),
        stages: Stages::default(),
        ended: Ended::NotStarted {
            what: trouble.what.clone(),
        },
        launch_findings: Vec::new(),
    };
    let verdict = Verdict {
        reached: false,
        stage: Some(Stage::Host),
        critical_point: Some(CriticalPoint::Host),
        cause_id: Some(trouble.kind.id().to_owned()),
        cause: Some(trouble.what.clone()),
        blame: Blame::Host,
        confidence: Confidence::Observed,
        racy: false,
        margin_ms: None,
        accepted: None,
        unhealthy: None,
        evidence: Vec::new(),
        fix: Some(trouble.remedy.clone()),
        alternatives: Vec::new(),
        experiments: Vec::new(),
        foreseen_by: Vec::new(),
        blind: Vec::new(),
    };
    let judged = Judged {
        outcome,
        predicted: Vec::new(),
        verdict,
        fail_on: FailOn::Error,
    };
    // The complaint on stderr follows in any case.
    let _ = judged.print(Format::Json, false, file);
}

/// Prints why nothing was booted; the exit code.
pub fn complain(error: &BootError) -> ExitCode {
    let mut err = anstream::stderr().lock();
    let _ = writeln!(err, "isar-doctor: {}", safe(&error.to_string()));
    match error {
        BootError::Host(trouble) => {
            let _ = writeln!(err, "  try: {}", safe(&trouble.remedy));
            ExitCode::from(4)
        }
        BootError::Usage(_) => ExitCode::from(2),
    }
}
