//! The critical-points table with a state for each row.

use super::safe::safe;
use super::style::Look;
use crate::checks::points::State;
use crate::checks::run::Judgement;
use crate::profile::Profile;
use crate::rules::critical_points;
use comfy_table::presets::ASCII_BORDERS_ONLY_CONDENSED;
use comfy_table::{Cell, Color, ContentArrangement, Table};

fn words(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::Violated => "VIOLATED",
        State::CannotTell => "cannot tell",
        State::NotApplicable => "n/a",
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
        let found = judgement.points.iter().find(|p| p.id == row.id);
        let state = found.map_or(State::NotApplicable, |p| p.state);
        let named = |text: &str| {
            safe(
                &text
                    .replace("hvc0", &profile.device)
                    .replace("nixos-test-backdoor", &profile.package)
                    .replace("virtio_console", &profile.module),
            )
            .into_owned()
        };
        let cell = Cell::new(words(state)).fg(match state {
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
