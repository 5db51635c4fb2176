//! Tokens → simple commands, with what surrounds them.

use super::lexer::{Token, tokens};
use super::{Command, Word};

/// Reads a script as a flat list of simple commands, in the order in which they are written.
pub fn parse(text: &str) -> Vec<Command> {
    let tokens = tokens(text);
    let mut parser = Parser::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        if parser.pattern {
            parser.in_pattern(token);
            continue;
        }
        match token {
            Token::Operator(operator, _) => parser.operator(operator),
            Token::Redirect(redirect, line) => {
                parser.start(*line);
                parser.command.redirects.push(redirect.clone());
            }
            Token::Word(word, line) => {
                if parser.command.words.is_empty()
                    && parser.command.assignments.is_empty()
                    && let Some(reserved) = reserved(word)
                {
                    at = parser.reserved(reserved, &tokens, at);
                } else {
                    parser.word(word, *line);
                }
            }
        }
    }
    parser.finish(false);
    parser.commands
}

#[derive(Default)]
struct Parser {
    commands: Vec<Command>,
    command: Command,
    /// Inside the condition of an `if`, `while` or `until`.
    condition: bool,
    /// Open `if`s.
    ifs: u32,
    /// The command before ended with `&&` or `||`.
    chained: bool,
    /// Open `while` and `until` loops.
    loops: u32,
    /// `for` loops, whose `done` closes no `while`.
    others: Vec<bool>,
    negated: bool,
    /// Inside `case … esac`.
    cases: u32,
    /// In the pattern of a case, which ends with `)`.
    pattern: bool,
}

/// Reserved words at the start of a command (POSIX 2.4).
fn reserved(word: &Word) -> Option<&'static str> {
    const RESERVED: &[&str] = &[
        "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "for", "select",
        "case", "esac", "{", "}", "!", "function", "time",
    ];
    let text = word.plain().filter(|_| !word.quoted)?;
    RESERVED.iter().find(|r| **r == text).copied()
}

impl Parser {
    fn start(&mut self, line: u32) {
        if self.command.line == 0 {
            self.command.line = line;
        }
    }

    fn word(&mut self, word: &Word, line: u32) {
        self.start(line);
        if self.command.words.is_empty()
            && let Some((name, value)) = assignment(word)
        {
            self.command.assignments.push((name, value));
        } else {
            self.command.words.push(word.clone());
        }
    }

    /// Ends the command that is being read.
    fn finish(&mut self, guarded: bool) {
        let mut command = std::mem::take(&mut self.command);
        if command.line != 0 {
            command.tested = guarded || self.condition || self.negated;
            command.looped = self.loops > 0;
            let inside = (self.ifs > 0 || self.cases > 0) && !self.condition;
            command.branch = inside || self.chained;
            self.commands.push(command);
        }
        self.negated = false;
        self.chained = guarded;
    }

    fn operator(&mut self, operator: &str) {
        match operator {
            "&&" | "||" => self.finish(true),
            // `name()` is a function's head, and so is no command.
            "(" if self.command.words.len() == 1 && self.command.redirects.is_empty() => {
                self.command = Command::default();
            }
            ";;" => {
                self.finish(false);
                self.pattern = self.cases > 0;
            }
            _ => self.finish(false),
        }
    }

    fn in_pattern(&mut self, token: &Token) {
        match token {
            Token::Operator(")", _) => self.pattern = false,
            Token::Word(word, _) if word.plain().as_deref() == Some("esac") => {
                self.pattern = false;
                self.cases = self.cases.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn reserved(&mut self, word: &str, tokens: &[Token], mut at: usize) -> usize {
        match word {
            "if" => {
                self.condition = true;
                self.ifs += 1;
            }
            "elif" => self.condition = true,
            "fi" => self.ifs = self.ifs.saturating_sub(1),
            "while" | "until" => {
                self.condition = true;
                self.loops += 1;
                self.others.push(false);
            }
            "then" | "else" | "do" => self.condition = false,
            "for" | "select" => {
                self.others.push(true);
                while let Some(token) = tokens.get(at) {
                    if matches!(token, Token::Operator(";" | "\n", _)) {
                        break;
                    }
                    at += 1;
                }
            }
            "done" => {
                let ended = self.others.pop();
                if ended == Some(false) {
                    self.loops = self.loops.saturating_sub(1);
                }
            }
            "case" => {
                self.cases += 1;
                self.pattern = true;
                while let Some(token) = tokens.get(at) {
                    at += 1;
                    if matches!(token, Token::Word(w, _) if w.plain().as_deref() == Some("in")) {
                        break;
                    }
                }
            }
            "esac" => self.cases = self.cases.saturating_sub(1),
            "!" => self.negated = true,
            "function" => at += 1,
            _ => {}
        }
        at
    }
}

/// `NAME=value` in front of a command.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let super::Part::Text(first) = word.parts.first()? else {
        return None;
    };
    let (name, value) = first.split_once('=')?;
    let starts = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    let mut value_word = Word {
        parts: vec![super::Part::Text(value.to_owned())],
        quoted: word.quoted,
    };
    value_word.parts.extend(word.parts[1..].iter().cloned());
    Some((name.to_owned(), value_word))
}
