//! A boot as it happens: a live checklist on a terminal, plain lines elsewhere. To stderr, so that results stay alone on stdout.

use super::safe::safe;
use crate::boot::engine::Watcher;
use crate::boot::stages::Stages;
use crate::boot::timeline::{Event, Observation};
use crate::stage::Stage;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};

/// How a boot is shown while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Nothing.
    Quiet,
    /// Stages.
    Stages,
    /// Every observation.
    Trace,
}

/// The display for stderr as it is.
pub fn display(style: Style) -> Box<dyn Watcher> {
    match style {
        Style::Quiet => Box::new(Silent),
        style if std::io::stderr().is_terminal() => Box::new(Live::new(style)),
        style => Box::new(Plain { style }),
    }
}

struct Silent;

impl Watcher for Silent {
    fn observed(&mut self, _: &Observation, _: &Stages) {}
}

/// The line of an observation: time, source, text.
pub fn line(seen: &Observation) -> String {
    format!(
        "{:9.3}  {:<10}  {}",
        seen.t,
        seen.source.id(),
        safe(&seen.event.text())
    )
}

fn stage_line(stage: Stage, seen: &Observation, evidence: &str) -> String {
    format!("{:9.3}  {:<10}  {}", seen.t, stage.id(), safe(evidence))
}

/// One line per stage, or per observation: for CI logs.
struct Plain {
    style: Style,
}

impl Plain {
    /// A closed stderr must not end the boot.
    fn say(text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

impl Watcher for Plain {
    fn observed(&mut self, seen: &Observation, _: &Stages) {
        match &seen.event {
            Event::StageReached { stage, evidence } if self.style == Style::Stages => {
                Self::say(&stage_line(*stage, seen, evidence));
            }
            _ if self.style == Style::Trace => Self::say(&line(seen)),
            _ => {}
        }
    }

    fn restarted(&mut self, reason: &str) {
        Self::say(&format!(
            "KVM does not work here, starting again with emulation: {}",
            safe(reason)
        ));
    }
}

/// The checklist.
struct Live {
    style: Style,
    multi: MultiProgress,
    bars: Vec<(Stage, ProgressBar)>,
    current: ProgressBar,
    clock: ProgressBar,
}

impl Live {
    fn new(style: Style) -> Live {
        let multi = MultiProgress::new();
        let plain = || {
            ProgressStyle::with_template("{wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner())
        };
        let add = || {
            let bar = multi.add(ProgressBar::new_spinner());
            bar.set_style(plain());
            bar
        };
        let clock = add();
        let bars = Stage::ALL.into_iter().map(|stage| (stage, add())).collect();
        let current = add();
        let live = Live {
            style,
            multi,
            bars,
            current,
            clock,
        };
        live.draw(&Stages::default());
        live.tick_clock(0.0);
        live
    }

    fn draw(&self, stages: &Stages) {
        let furthest = stages.furthest();
        for (stage, bar) in &self.bars {
            let text = match stages.get(*stage) {
                Some(reached) if reached.implied => {
                    format!("  ✓ {:<11} {:7.1} s", stage.id(), reached.t)
                }
                Some(reached) => format!(
                    "  ✓ {:<11} {:7.1} s  {}",
                    stage.id(),
                    reached.t,
                    safe(&reached.evidence)
                ),
                None if furthest.is_some_and(|f| f > *stage) => format!("  ? {}", stage.id()),
                None => format!("  · {}", stage.id()),
            };
            bar.set_message(text);
        }
    }

    fn tick_clock(&self, now: f64) {
        self.clock.set_message(format!("booting … {now:.0} s"));
    }
}

impl Watcher for Live {
    fn observed(&mut self, seen: &Observation, stages: &Stages) {
        if self.style == Style::Trace {
            let _ = self.multi.println(line(seen));
        }
        if matches!(seen.event, Event::StageReached { .. }) {
            self.draw(stages);
        } else {
            self.current.set_message(line(seen));
        }
        self.tick_clock(seen.t);
    }

    fn tick(&mut self, now: f64) {
        self.tick_clock(now);
    }

    fn restarted(&mut self, reason: &str) {
        let _ = self.multi.println(format!(
            "KVM does not work here, starting again with emulation: {}",
            safe(reason)
        ));
        self.draw(&Stages::default());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // The checklist's result is part of the report: the display leaves no trace.
        let _ = self.multi.clear();
    }
}
