//! Text → words, operators and redirections.

use super::{Mode, Part, Redirect, Word};

/// Longer scripts are read up to here.
const MAX_TOKENS: usize = 100_000;

/// A token with its 1-based line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Word(Word, u32),
    /// `;`, `&`, `&&`, `||`, `|`, `(`, `)`, `;;`, newline.
    Operator(&'static str, u32),
    Redirect(Redirect, u32),
}

struct Lexer<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    line: u32,
    tokens: Vec<Token>,
    /// Here-documents whose text starts after the next newline: index of the token, delimiter, tabs are stripped.
    pending: Vec<(usize, String, bool)>,
}

/// Splits a script into tokens; comments and line continuations are gone.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        rest: text.chars().peekable(),
        line: 1,
        tokens: Vec::new(),
        pending: Vec::new(),
    };
    while lexer.tokens.len() < MAX_TOKENS && lexer.step() {}
    lexer.tokens
}

const OPERATORS: &[&str] = &[";;&", ";;", ";&", ";", "&&", "&", "||", "|&", "|", "(", ")"];

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn ahead(&self, n: usize) -> Option<char> {
        self.rest.clone().nth(n)
    }

    fn starts_with(&self, text: &str) -> bool {
        let mut rest = self.rest.clone();
        text.chars().all(|c| rest.next() == Some(c))
    }

    fn skip(&mut self, n: usize) {
        for _ in 0..n {
            self.next();
        }
    }

    /// Reads one token; false at the end.
    fn step(&mut self) -> bool {
        let Some(c) = self.rest.peek().copied() else {
            return false;
        };
        match c {
            '\n' => {
                self.tokens.push(Token::Operator("\n", self.line));
                self.next();
                self.here_documents();
            }
            c if c.is_whitespace() => {
                self.next();
            }
            '\\' if self.ahead(1) == Some('\n') => self.skip(2),
            '#' => {
                while self.rest.peek().is_some_and(|c| *c != '\n') {
                    self.next();
                }
            }
            _ => {
                if !self.redirect() && !self.operator() {
                    let line = self.line;
                    let word = self.word();
                    self.tokens.push(Token::Word(word, line));
                }
            }
        }
        true
    }

    fn operator(&mut self) -> bool {
        let Some(found) = OPERATORS.iter().find(|o| self.starts_with(o)) else {
            return false;
        };
        // `|&` is `2>&1 |`, and for us a pipe.
        let shown = match *found {
            "|&" => "|",
            ";&" | ";;&" => ";;",
            other => other,
        };
        self.tokens.push(Token::Operator(shown, self.line));
        self.skip(found.len());
        true
    }

    /// `[n]<`, `[n]>`, … with its target.
    fn redirect(&mut self) -> bool {
        let digits = self.rest.clone().take_while(char::is_ascii_digit).count();
        let number: String = self.rest.clone().take(digits).collect();
        let mut after = self.rest.clone();
        for _ in 0..digits {
            after.next();
        }
        let text: String = after.take(4).collect();
        let Some((symbol, mode, default)) = SYMBOLS
            .iter()
            .find(|(s, ..)| text.starts_with(s))
            .filter(|(s, ..)| digits == 0 || !s.starts_with('&'))
        else {
            return false;
        };
        let line = self.line;
        self.skip(digits + symbol.len());
        while self.rest.peek().is_some_and(|c| *c == ' ' || *c == '\t') {
            self.next();
        }
        let target = self.word();
        let fd = number.parse().unwrap_or(*default);
        // `>&word` with something that is no number is `&>word`.
        let stream = |w: &Word| {
            w.plain()
                .is_none_or(|t| t.trim_end_matches('-').bytes().all(|b| b.is_ascii_digit()))
        };
        let mode = match mode {
            Mode::Copy if *symbol == ">&" && digits == 0 && !stream(&target) => Mode::OutAndErr,
            mode => *mode,
        };
        if mode == Mode::Here && *symbol != "<<<" {
            let delimiter = target.plain().unwrap_or_default();
            self.pending
                .push((self.tokens.len(), delimiter, *symbol == "<<-"));
        }
        self.tokens
            .push(Token::Redirect(Redirect { fd, mode, target }, line));
        true
    }

    /// The text of here-documents follows the line that announces them.
    fn here_documents(&mut self) {
        for (index, delimiter, tabs) in std::mem::take(&mut self.pending) {
            let mut body = String::new();
            loop {
                let mut line = String::new();
                let mut ended = true;
                while let Some(c) = self.next() {
                    if c == '\n' {
                        ended = false;
                        break;
                    }
                    line.push(c);
                }
                let shown = if tabs {
                    line.trim_start_matches('\t')
                } else {
                    &line
                };
                if shown == delimiter || (ended && line.is_empty()) {
                    break;
                }
                body.push_str(shown);
                body.push('\n');
                if ended {
                    break;
                }
            }
            if let Some(Token::Redirect(redirect, _)) = self.tokens.get_mut(index) {
                redirect.target = Word::text(&body);
            }
        }
    }

    /// A word up to a blank or operator outside quotes.
    fn word(&mut self) -> Word {
        let mut word = Word::default();
        let mut text = String::new();
        while let Some(c) = self.rest.peek().copied() {
            match c {
                c if c.is_whitespace() || ";&|()<>".contains(c) => break,
                '\'' => {
                    self.next();
                    word.quoted = true;
                    while let Some(c) = self.next().filter(|c| *c != '\'') {
                        text.push(c);
                    }
                }
                '"' => {
                    self.next();
                    word.quoted = true;
                    self.double_quoted(&mut word, &mut text);
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c) => text.push(c),
                    }
                }
                '$' | '`' => self.dollar(&mut word, &mut text),
                c => {
                    self.next();
                    text.push(c);
                }
            }
        }
        if !text.is_empty() || word.parts.is_empty() {
            word.parts.push(Part::Text(text));
        }
        word
    }

    fn double_quoted(&mut self, word: &mut Word, text: &mut String) {
        while let Some(c) = self.rest.peek().copied() {
            match c {
                '"' => {
                    self.next();
                    return;
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some('\n') | None => {}
                        Some(c) if "\"\\$`".contains(c) => text.push(c),
                        Some(c) => {
                            text.push('\\');
                            text.push(c);
                        }
                    }
                }
                '$' | '`' => self.dollar(word, text),
                c => {
                    self.next();
                    text.push(c);
                }
            }
        }
    }

    /// `$NAME`, `${…}`, `$(…)`, a backquoted command, or a lone dollar.
    fn dollar(&mut self, word: &mut Word, text: &mut String) {
        let quote = self.next();
        if quote == Some('`') {
            while self.next().is_some_and(|c| c != '`') {}
            push(word, text, Part::Opaque);
            return;
        }
        match self.rest.peek().copied() {
            Some('(') => {
                self.balanced('(', ')');
                push(word, text, Part::Opaque);
            }
            Some('{') => {
                let inner = self.balanced('{', '}');
                let name = inner
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let part = if name && !inner.is_empty() {
                    Part::Variable(inner)
                } else {
                    Part::Opaque
                };
                push(word, text, part);
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let mut name = String::new();
                while let Some(c) = self
                    .rest
                    .peek()
                    .copied()
                    .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(c);
                    self.next();
                }
                push(word, text, Part::Variable(name));
            }
            Some(c) if c.is_ascii_digit() || "?#@*!$-".contains(c) => {
                self.next();
                push(word, text, Part::Opaque);
            }
            _ => text.push('$'),
        }
    }

    /// What stands between a bracket and its partner, quotes respected only so far that brackets in them do not count.
    fn balanced(&mut self, open: char, close: char) -> String {
        let mut depth = 0u32;
        let mut inner = String::new();
        let mut quote: Option<char> = None;
        while let Some(c) = self.next() {
            match quote {
                Some(q) if c == q => quote = None,
                Some(_) => {}
                None if c == '\'' || c == '"' => quote = Some(c),
                None if c == open => depth += 1,
                None if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                None => {}
            }
            inner.push(c);
        }
        inner.strip_prefix(open).map(str::to_owned).unwrap_or(inner)
    }
}

fn push(word: &mut Word, text: &mut String, part: Part) {
    if !text.is_empty() {
        word.parts.push(Part::Text(std::mem::take(text)));
    }
    word.parts.push(part);
}

/// Symbol, mode, stream when no number stands in front. Longer symbols first.
const SYMBOLS: &[(&str, Mode, u32)] = &[
    ("&>>", Mode::OutAndErr, 1),
    ("&>", Mode::OutAndErr, 1),
    ("<<<", Mode::Here, 0),
    ("<<-", Mode::Here, 0),
    ("<<", Mode::Here, 0),
    ("<>", Mode::InOut, 0),
    ("<&", Mode::Copy, 0),
    (">&", Mode::Copy, 1),
    (">>", Mode::Out, 1),
    (">|", Mode::Out, 1),
    ("<", Mode::In, 0),
    (">", Mode::Out, 1),
];
