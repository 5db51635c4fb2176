//! Colour and width of the output.

use crate::rules::Severity;
use owo_colors::{OwoColorize, Style};
use std::env;
use std::io::IsTerminal;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// With escape sequences for colour.
    pub colour: bool,
    /// Columns.
    pub width: u16,
}

/// When to colour (`--color`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColourChoice {
    /// On a terminal, unless NO_COLOR or CLICOLOR=0 says otherwise; also with CLICOLOR_FORCE.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Look {
    /// For standard output.
    pub fn detect(choice: ColourChoice, to_file: bool) -> Look {
        let terminal = !to_file && std::io::stdout().is_terminal();
        let set = |name: &str| env::var_os(name).is_some_and(|v| !v.is_empty() && v != "0");
        let colour = match choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto if env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
            ColourChoice::Auto if set("CLICOLOR_FORCE") => true,
            ColourChoice::Auto => {
                terminal
                    && env::var_os("CLICOLOR").is_none_or(|v| v != "0")
                    && env::var_os("TERM").is_none_or(|t| t != "dumb")
            }
        };
        let columns = env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
        let width = if terminal {
            rustix::termios::tcgetwinsize(std::io::stdout())
                .ok()
                .map(|w| w.ws_col)
                .filter(|w| *w > 0)
        } else {
            None
        };
        Look {
            colour,
            width: width.or(columns).unwrap_or(100).clamp(60, 200),
        }
    }

    /// Plain, 100 columns: for files and tests.
    pub fn plain() -> Look {
        Look {
            colour: false,
            width: 100,
        }
    }

    /// Text in a style, when colours are on.
    pub fn paint(self, text: &str, style: Style) -> String {
        if self.colour {
            text.style(style).to_string()
        } else {
            text.to_owned()
        }
    }
    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.paint(text, Style::new().bold())
    }
    /// Labels.
    pub fn dim(self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }
    /// Good.
    pub fn good(self, text: &str) -> String {
        self.paint(text, Style::new().green())
    }
    /// A severity's colour.
    pub fn severity(self, severity: Severity, text: &str) -> String {
        let style = match severity {
            Severity::Error => Style::new().red().bold(),
            Severity::Warning => Style::new().yellow().bold(),
            Severity::Pedantic => Style::new().cyan(),
        };
        self.paint(text, style)
    }
}
