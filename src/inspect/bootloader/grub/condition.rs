//! The command `test` (GRUB manual, "test"; `grub-core/commands/test.c`).

use super::super::file;
use super::session::Session;
use crate::inspect::filesystem::FileKind;
use std::cmp::Ordering;

/// Evaluates an expression. What cannot be understood is false.
pub fn test(words: &[String], session: &Session<'_>) -> bool {
    let mut parser = Parser {
        words,
        at: 0,
        session,
    };
    parser.or(0)
}

struct Parser<'w, 's> {
    words: &'w [String],
    at: usize,
    session: &'s Session<'s>,
}

/// Nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;

impl Parser<'_, '_> {
    fn peek(&self, ahead: usize) -> Option<&str> {
        self.words.get(self.at + ahead).map(String::as_str)
    }

    fn or(&mut self, depth: usize) -> bool {
        let mut result = self.and(depth);
        while self.peek(0) == Some("-o") {
            self.at += 1;
            let right = self.and(depth);
            result |= right;
        }
        result
    }

    fn and(&mut self, depth: usize) -> bool {
        let mut result = self.one(depth);
        loop {
            match self.peek(0) {
                Some("-a") => self.at += 1,
                // Expressions one after the other must all hold.
                Some(word) if word != "-o" && word != ")" => {}
                _ => return result,
            }
            let right = self.one(depth);
            result &= right;
        }
    }

    fn one(&mut self, depth: usize) -> bool {
        let Some(word) = self.peek(0).map(str::to_owned) else {
            return false;
        };
        if depth > MAX_DEPTH {
            self.at = self.words.len();
            return false;
        }
        if let (Some(operator), Some(right)) = (self.peek(1), self.peek(2))
            && let Some(result) = compare(&word, operator, right)
        {
            self.at += 3;
            return result;
        }
        self.at += 1;
        match word.as_str() {
            "!" => !self.one(depth + 1),
            "(" => {
                let result = self.or(depth + 1);
                if self.peek(0) == Some(")") {
                    self.at += 1;
                }
                result
            }
            "-n" | "-z" | "-e" | "-f" | "-d" | "-s" => {
                let argument = self.peek(0).unwrap_or_default().to_owned();
                self.at += 1;
                match word.as_str() {
                    "-n" => !argument.is_empty(),
                    "-z" => argument.is_empty(),
                    flag => self.file(flag, &argument),
                }
            }
            word => !word.is_empty(),
        }
    }

    fn file(&self, flag: &str, name: &str) -> bool {
        let root = self.session.get("root");
        let Ok((fs, path)) = self.session.devices.locate(name, root) else {
            return false;
        };
        let Ok(metadata) = file::resolve(fs.as_ref(), &path).and_then(|p| fs.metadata(&p)) else {
            return false;
        };
        match flag {
            "-f" => metadata.kind == FileKind::Regular,
            "-d" => metadata.kind == FileKind::Directory,
            "-s" => metadata.size > 0,
            _ => true,
        }
    }
}

fn compare(left: &str, operator: &str, right: &str) -> Option<bool> {
    let numbers = || {
        let number = |text: &str| text.trim().parse::<i64>().unwrap_or(0);
        number(left).cmp(&number(right))
    };
    let texts = || left.cmp(right);
    Some(match operator {
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => texts() == Ordering::Less,
        "<=" => texts() != Ordering::Greater,
        ">" => texts() == Ordering::Greater,
        ">=" => texts() != Ordering::Less,
        "-eq" => numbers() == Ordering::Equal,
        "-ne" => numbers() != Ordering::Equal,
        "-lt" => numbers() == Ordering::Less,
        "-le" => numbers() != Ordering::Greater,
        "-gt" => numbers() == Ordering::Greater,
        "-ge" => numbers() != Ordering::Less,
        _ => return None,
    })
}
