//! Shell scripts, read as far as one can without running them: simple commands with their words and redirections.
//!
//! The grammar is that of POSIX (Shell Command Language, 2.3–2.10) with bash's `[[`, `<<<` and `&>`. Whatever the reader
//! does not follow (command substitution, arithmetic, aliases, functions called later) stays opaque.

mod lexer;
mod parser;

pub use parser::parse;

use std::collections::BTreeMap;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text, quotes removed.
    Text(String),
    /// `$NAME` or `${NAME}`.
    Variable(String),
    /// Something only a running shell knows: `$(…)`, `${x:-y}`, `$((…))`.
    Opaque,
}

/// A word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// Its pieces.
    pub parts: Vec<Part>,
    /// Some of it was quoted.
    pub quoted: bool,
}

/// How a redirection opens its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `<`
    In,
    /// `>`, `>>`, `>|`
    Out,
    /// `<>`
    InOut,
    /// `&>`, `&>>`: output and errors.
    OutAndErr,
    /// `<&`, `>&`: a copy of another stream.
    Copy,
    /// `<<`, `<<<`: text of the script itself.
    Here,
}

/// One redirection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Stream number.
    pub fd: u32,
    /// How.
    pub mode: Mode,
    /// Path, stream number, or the text of a here-document.
    pub target: Word,
}

/// One simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// 1-based line on which it starts.
    pub line: u32,
    /// `NAME=value` in front of it, or alone.
    pub assignments: Vec<(String, Word)>,
    /// Program and arguments; empty for a bare assignment or redirection.
    pub words: Vec<Word>,
    /// Redirections in order.
    pub redirects: Vec<Redirect>,
    /// Its failure does not end a script under `set -e`: it is a condition, negated, or stands before `&&` or `||`.
    pub tested: bool,
    /// It runs only sometimes: in a branch of `if` or `case`, or after `&&` or `||`.
    pub branch: bool,
    /// It is part of the condition of a `while` or `until` loop, or of its body.
    pub looped: bool,
}

/// Variables that are known: plain assignments seen so far.
pub type Variables = BTreeMap<String, Option<String>>;

impl Word {
    /// A word of plain text.
    pub fn text(text: &str) -> Word {
        Word {
            parts: vec![Part::Text(text.to_owned())],
            quoted: false,
        }
    }
    /// The text when no part needs a running shell.
    pub fn plain(&self) -> Option<String> {
        self.expand(&Variables::new())
    }
    /// The text with the known variables filled in; none when something in it is not known.
    pub fn expand(&self, variables: &Variables) -> Option<String> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Variable(name) => out.push_str(variables.get(name)?.as_deref()?),
                Part::Opaque => return None,
            }
        }
        Some(out)
    }
}

impl Command {
    /// Name of the program as written, without its directory.
    pub fn program(&self, variables: &Variables) -> Option<String> {
        let word = self.words.first()?.expand(variables)?;
        Some(word.rsplit('/').next().unwrap_or(&word).to_owned())
    }
    /// The arguments that are known.
    pub fn arguments(&self, variables: &Variables) -> Vec<Option<String>> {
        self.words
            .iter()
            .skip(1)
            .map(|w| w.expand(variables))
            .collect()
    }
    /// Takes over what a bare assignment, or `export`, `readonly`, `local` and `declare` with one, says.
    pub fn assign(&self, variables: &mut Variables) {
        if self.words.is_empty() {
            for (name, value) in &self.assignments {
                let value = value.expand(variables);
                variables.insert(name.clone(), value);
            }
            return;
        }
        let declares = self.program(variables).is_some_and(|p| {
            matches!(
                p.as_str(),
                "export" | "readonly" | "local" | "declare" | "typeset"
            )
        });
        if declares {
            for word in self.arguments(variables).into_iter().flatten() {
                if let Some((name, value)) = word.split_once('=') {
                    variables.insert(name.to_owned(), Some(value.to_owned()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
