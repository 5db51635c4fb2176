//! One line of systemd about a unit → what it says of its start job.

use super::Outcome;
use regex::Regex;
use std::sync::LazyLock;

pub(super) struct Rules {
    skipped: Regex,
    skipped_newer: Regex,
    skipped_old: Regex,
    assertion: Regex,
    exec_reason: Regex,
    status: Regex,
    signal: Regex,
    dependency: Regex,
    timed_out: Regex,
    waiting: Regex,
    unit_failed: Regex,
    resources: Regex,
}

static RULES: LazyLock<Option<Rules>> = LazyLock::new(|| {
    // Literals; a test uses each of them.
    let re = |text: &str| Regex::new(text).ok();
    Some(Rules {
        skipped: re(
            r"was skipped because (?:of an unmet condition check|no trigger condition checks were met|all trigger condition checks failed)(?: \((\S+?)\))?",
        )?,
        skipped_newer: re(
            r" skipped, (?:no trigger condition checks were met|unmet condition check (\w+=.+?)\.?$)",
        )?,
        skipped_old: re(r"^(?:systemd\[1\]: )?Condition check resulted in (.+) being skipped")?,
        assertion: re(
            r"Starting requested but asserts failed|[Aa]ssertion failed(?: for .*)?(?: \((\S+?)\))?",
        )?,
        exec_reason: re(
            r"Failed (?:to execute|at step EXEC spawning|to locate executable) [^:]*: (.+)$|Unable to locate executable '[^']*': (.+)$",
        )?,
        status: re(r"(?:code=(?:exited|killed|dumped), )?status=(\d+)(?:/([A-Z_]+))?")?,
        signal: re(r"code=(?:killed|dumped), status=\d+/([A-Z]+)")?,
        dependency: re(
            r"Dependency failed for (.+?)\.?$|Job (\S+?)/start failed with result 'dependency'",
        )?,
        timed_out: re(
            r"Timed out waiting for device (\S+?)(?: - .*)?\.?$|Job (\S+\.device)/start (?:timed out|failed with result 'timeout')",
        )?,
        unit_failed: re(r"^(?:systemd\[1\]: )?(\S+\.\w+): Failed with result '")?,
        resources: re(
            r"Failed to (?:load environment files|run 'start(?:-\w+)?' task): (.+?)\.?$",
        )?,
        waiting: re(r"A start job is running for (.+?)(?: \(\d.*)?$")?,
    })
});

fn group(captures: &regex::Captures<'_>) -> Option<String> {
    captures
        .iter()
        .skip(1)
        .flatten()
        .next()
        .map(|m| m.as_str().to_owned())
}

impl Rules {
    pub fn get() -> Option<&'static Rules> {
        RULES.as_ref()
    }

    /// `Timed out waiting for device …`
    pub fn device_that_timed_out(&self, text: &str) -> Option<String> {
        group(&self.timed_out.captures(text)?)
    }

    /// `x.service: Failed with result 'exit-code'.`
    pub fn unit_that_failed(&self, text: &str) -> Option<String> {
        group(&self.unit_failed.captures(text)?)
    }

    /// Why a program could not be executed.
    pub fn exec_reason(&self, text: &str) -> Option<String> {
        group(&self.exec_reason.captures(text)?)
    }

    /// What a line about the unit says. `exec_reason` and `failed_device` are from the lines before it.
    pub fn classify(
        &self,
        text: &str,
        exec_reason: &str,
        failed_device: Option<&str>,
    ) -> Option<Outcome> {
        let skipped = self.skipped.captures(text);
        if let Some(c) = skipped.or_else(|| self.skipped_newer.captures(text)) {
            return Some(Outcome::Skipped {
                condition: group(&c).unwrap_or_default(),
            });
        }
        if self.skipped_old.is_match(text) {
            return Some(Outcome::Skipped {
                condition: String::new(),
            });
        }
        if let Some(c) = self.assertion.captures(text) {
            return Some(Outcome::AssertFailed {
                assertion: group(&c).unwrap_or_default(),
            });
        }
        if self.dependency.is_match(text) {
            return Some(Outcome::DependencyFailed {
                dependency: failed_device.map(str::to_owned),
            });
        }
        refused(text)
            .or_else(|| self.ended(text, exec_reason))
            .or_else(|| self.moved(text))
    }

    /// The process ended, or never came to be.
    fn ended(&self, text: &str, exec_reason: &str) -> Option<Outcome> {
        let exec_failed = || Outcome::ExecFailed {
            reason: exec_reason.to_owned(),
        };
        let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
        if says(&[
            "Failed at step EXEC",
            "Failed to execute",
            "203/EXEC",
            "Failed to locate executable",
            "Unable to locate executable",
        ]) {
            return Some(exec_failed());
        }
        // systemd could not even fork: its words, in place of a status.
        if let Some(found) = self.resources.find(text) {
            return Some(Outcome::SetupFailed {
                status: found.as_str().to_owned(),
            });
        }
        if text.contains("start operation timed out") {
            return Some(Outcome::StartTimedOut);
        }
        if let Some(c) = self.signal.captures(text) {
            return Some(Outcome::Failed {
                status: format!("SIG{}", group(&c)?),
                start_limit: false,
            });
        }
        if let Some(c) = self.status.captures(text) {
            let code: u32 = c.get(1)?.as_str().parse().ok()?;
            let name = c.get(2).map_or("", |m| m.as_str());
            let status = if name.is_empty() {
                code.to_string()
            } else {
                format!("{code}/{name}")
            };
            return match code {
                0 => None,
                203 => Some(exec_failed()),
                // systemd.exec(5), "Process Exit Codes": 200–245 are set by systemd before the program runs.
                200..=245 => Some(Outcome::SetupFailed { status }),
                _ => Some(Outcome::Failed {
                    status,
                    start_limit: false,
                }),
            };
        }
        says(&["Start request repeated too quickly", "start-limit-hit"]).then(|| Outcome::Failed {
            status: String::new(),
            start_limit: true,
        })
    }

    /// Its job moved.
    fn moved(&self, text: &str) -> Option<Outcome> {
        if let Some(c) = self.waiting.captures(text) {
            return Some(Outcome::Waiting {
                on: group(&c).unwrap_or_default(),
            });
        }
        if text.contains("Stopping ") || text.contains("Stopped ") {
            return Some(Outcome::Stopped {
                by: text.to_owned(),
            });
        }
        (text.contains("Started ") || text.contains("Starting ")).then_some(Outcome::Started)
    }
}

/// systemd would not even make a job of it.
fn refused(text: &str) -> Option<Outcome> {
    let says = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if text.contains("deleted to break ordering cycle") {
        return Some(Outcome::DeletedFromCycle);
    }
    if text.contains("is masked") {
        return Some(Outcome::Masked);
    }
    if says(&["bad unit file setting", "bad-setting", "Refusing."]) {
        return Some(Outcome::BadSetting {
            reason: text.to_owned(),
        });
    }
    let missing = text.contains("not found") && says(&["Unit ", "Failed to load unit"]);
    missing.then_some(Outcome::NotFound)
}
