//! What the boots with one lever changed say about a cause.

use super::levers::Lever;
use super::verdict::{Confidence, Experiment, ExperimentResult, Verdict};
use crate::stage::Stage;

/// What one experiment showed.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The lever.
    pub lever: Lever,
    /// How it reached the guest.
    pub by: String,
    /// Furthest stage reached; none when the boot could not be carried out.
    pub furthest: Option<Stage>,
    /// The shell answered.
    pub reached: bool,
    /// Where its own verdict says that it stopped, and why.
    pub stopped: Option<(Stage, String)>,
    /// Seconds of the boot.
    pub seconds: f64,
    /// Why the boot could not be carried out.
    pub trouble: Option<String>,
}

/// Past the failed stage: it was reached, or one behind it.
fn got_past(shown: &Shown, failed: Stage) -> bool {
    shown.reached
        || shown
            .furthest
            .is_some_and(|stage| stage > failed || (stage == failed && failed < Stage::Script))
}

/// Judges one experiment against the stage that had failed.
pub fn judge(shown: &Shown, failed: Stage) -> Experiment {
    let past = got_past(shown, failed);
    let earlier = shown
        .stopped
        .as_ref()
        .filter(|(stage, _)| !past && *stage < failed);
    let earlier = earlier.map(|(stage, why)| {
        format!("says nothing: that boot stopped earlier, at `{stage}`: {why}")
    });
    let (result, text) = match (&shown.trouble, past, shown.lever.only_helps) {
        (Some(why), ..) => (
            ExperimentResult::Inconclusive,
            format!("could not be tried: {why}"),
        ),
        (None, false, _) if earlier.is_some() => {
            (ExperimentResult::Inconclusive, earlier.unwrap_or_default())
        }
        (None, true, false) => (
            ExperimentResult::Proved,
            format!("with it, and nothing else changed, the boot gets past `{failed}`"),
        ),
        (None, true, true) => (
            ExperimentResult::WonTheRace,
            format!("with it the boot got past `{failed}` this time; the race stays open"),
        ),
        (None, false, true) => (
            ExperimentResult::Disproved,
            format!("it does not help: the boot stops before `{failed}` is done all the same"),
        ),
        (None, false, false) => (
            ExperimentResult::Disproved,
            format!(
                "it should have helped and did not: the boot stops before `{failed}` is done all the same"
            ),
        ),
    };
    Experiment {
        lever: shown.lever.name.clone(),
        by: shown.by.clone(),
        stage: shown.furthest,
        seconds: shown.seconds,
        result,
        text,
    }
}

/// Adds experiments to the verdict. One that proves makes the cause proven. One that should have helped and did not makes it less sure.
pub fn apply(verdict: &mut Verdict, shown: &[Shown]) {
    let Some(failed) = verdict.stage else { return };
    verdict.experiments = shown.iter().map(|s| judge(s, failed)).collect();
    let decisive = |result| {
        verdict
            .experiments
            .iter()
            .zip(shown)
            .any(|(e, s)| e.result == result && !s.lever.only_helps)
    };
    if decisive(ExperimentResult::Proved) {
        verdict.confidence = Confidence::Proven;
    } else if decisive(ExperimentResult::Disproved) {
        verdict.confidence = Confidence::Inferred;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::levers::Change;

    fn shown(furthest: Stage, reached: bool, only_helps: bool) -> Shown {
        let lever = Lever {
            name: "x".into(),
            change: Change::SkipLoader,
            only_helps,
        };
        Shown {
            lever,
            by: "smbios".into(),
            furthest: Some(furthest),
            reached,
            stopped: None,
            seconds: 1.0,
            trouble: None,
        }
    }

    #[test]
    fn a_lever_proves_only_what_lies_behind_the_failed_stage() {
        assert_eq!(
            judge(&shown(Stage::Shell, true, false), Stage::Unit).result,
            ExperimentResult::Proved
        );
        assert_eq!(
            judge(&shown(Stage::Device, false, false), Stage::Unit).result,
            ExperimentResult::Disproved
        );
        assert_eq!(
            judge(&shown(Stage::Rootfs, false, false), Stage::Rootfs).result,
            ExperimentResult::Proved
        );
        assert_eq!(
            judge(&shown(Stage::Shell, true, true), Stage::Unit).result,
            ExperimentResult::WonTheRace
        );
        let mut starved = shown(Stage::Kernel, false, false);
        starved.stopped = Some((Stage::Kernel, "the host is busy".into()));
        assert_eq!(
            judge(&starved, Stage::Unit).result,
            ExperimentResult::Inconclusive
        );
        starved.stopped = Some((Stage::Unit, "skipped".into()));
        assert_eq!(
            judge(&starved, Stage::Unit).result,
            ExperimentResult::Disproved
        );
        let mut failed = shown(Stage::Host, false, false);
        failed.trouble = Some("no kernel".into());
        assert_eq!(
            judge(&failed, Stage::Unit).result,
            ExperimentResult::Inconclusive
        );
    }
}
