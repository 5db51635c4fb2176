//! The critical-points table with a state for each row.

use super::safe::safe;
use super::style::Look;
use crate::checks::run::Judgement;
use crate::critical_point::CriticalPoint;
use crate::profile::Profile;
use crate::rules::{Severity, critical_points};
use comfy_table::presets::ASCII_BORDERS_ONLY_CONDENSED;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use schemars::JsonSchema;
use serde::Serialize;

/// State of a critical point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Looked at, and as it should be.
    Ok,
    /// Something smells.
    Warning,
    /// The boot breaks here.
    Violated,
    /// What would tell could not be read.
    CannotTell,
    /// Nothing to look at in a file alone.
    NotApplicable,
}

impl State {
    /// The state of a point. What could not be told hides what was fine, never what was wrong.
    pub fn of(point: CriticalPoint, judgement: &Judgement) -> State {
        let worst = judgement
            .findings
            .iter()
            .filter(|f| f.critical_point == point)
            .map(|f| f.severity)
            .max();
        match worst {
            Some(Severity::Error) => State::Violated,
            Some(Severity::Warning) => State::Warning,
            _ if judgement.untold.iter().any(|u| u.critical_point == point) => State::CannotTell,
            _ if judgement.satisfied.contains(&point) || worst.is_some() => State::Ok,
            _ => State::NotApplicable,
        }
    }

    fn words(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Violated => "VIOLATED",
            State::CannotTell => "cannot tell",
            State::NotApplicable => "n/a",
        }
    }
}

/// The table as text. The words of the table name the default profile's device and package; they are filled in for others.
pub fn table(judgement: &Judgement, profile: &Profile, look: Look) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table
        .set_width(look.width)
        .load_style(ASCII_BORDERS_ONLY_CONDENSED);
    if look.colour {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table.set_header(["critical point", "what happens", "failure mode", "state"]);
    for row in critical_points::table() {
        let state = State::of(row.id, judgement);
        let named = |text: &str| {
            safe(
                &text
                    .replace("hvc0", &profile.device)
                    .replace("nixos-test-backdoor", &profile.package)
                    .replace("virtio_console", &profile.module),
            )
            .into_owned()
        };
        let cell = Cell::new(state.words()).fg(match state {
            State::Ok => Color::Green,
            State::Violated => Color::Red,
            State::Warning | State::CannotTell => Color::Yellow,
            State::NotApplicable => Color::DarkGrey,
        });
        table.add_row([
            Cell::new(named(&row.location)),
            Cell::new(named(&row.what_happens)),
            Cell::new(named(&row.failure_mode)),
            cell,
        ]);
    }
    table.to_string()
}
