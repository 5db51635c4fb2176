//! Words of GRUB's script language (GRUB manual, "Shell-like scripting"; `grub-core/script/yylex.l`).

/// More words than this in one file are an attack; Debian's grub.cfg has 1,000.
const MAX_TOKENS: usize = 200_000;

/// A piece of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Literal text. Quoted text is not split and holds no wildcards.
    Text(String, bool),
    /// A variable; a quoted one is not split.
    Variable(String, bool),
}

/// A token with its 1-based line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Line it begins on.
    pub line: u32,
}

/// Kinds of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A word.
    Word(Vec<Part>),
    /// A newline or semicolon.
    End,
    /// `{`.
    Open,
    /// `}`.
    Close,
}

impl Token {
    /// The text of a word that is one bare literal: the only form in which keywords count.
    pub fn bare(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(parts) => match parts.as_slice() {
                [Part::Text(text, false)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Splits a script. A quote that is never closed ends with the text; the error is the line of that quote.
pub fn split(text: &str) -> (Vec<Token>, Option<u32>) {
    let mut lexer = Lexer {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        unclosed: None,
    };
    let mut tokens = Vec::new();
    while tokens.len() < MAX_TOKENS {
        match lexer.next_token() {
            Some(token) => tokens.push(token),
            None => break,
        }
    }
    (tokens, lexer.unclosed)
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: u32,
    unclosed: Option<u32>,
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn next_token(&mut self) -> Option<Token> {
        loop {
            let line = self.line;
            let kind = match self.peek()? {
                ' ' | '\t' | '\r' => {
                    self.take();
                    continue;
                }
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.take();
                    }
                    continue;
                }
                '\\' if self.chars.get(self.at + 1) == Some(&'\n') => {
                    self.take();
                    self.take();
                    continue;
                }
                '\n' | ';' => {
                    self.take();
                    Kind::End
                }
                '{' => {
                    self.take();
                    Kind::Open
                }
                '}' => {
                    self.take();
                    Kind::Close
                }
                '|' | '&' | '<' | '>' => {
                    // Reserved and of no use yet; GRUB calls them a syntax error.
                    self.take();
                    continue;
                }
                _ => Kind::Word(self.word()),
            };
            return Some(Token { kind, line });
        }
    }

    fn word(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\r' | '\n' | ';' | '{' | '}' | '|' | '&' | '<' | '>' => break,
                '\\' => {
                    self.take();
                    match self.take() {
                        Some('\n') | None => {}
                        Some(c) => {
                            push(&mut parts, &mut text);
                            parts.push(Part::Text(c.into(), true));
                        }
                    }
                }
                '\'' => {
                    push(&mut parts, &mut text);
                    parts.push(self.single_quoted());
                }
                '"' => {
                    push(&mut parts, &mut text);
                    self.double_quoted(&mut parts);
                }
                '$' => match self.variable() {
                    Some(name) => {
                        push(&mut parts, &mut text);
                        parts.push(Part::Variable(name, false));
                    }
                    None => text.push('$'),
                },
                _ => text.extend(self.take()),
            }
        }
        push(&mut parts, &mut text);
        parts
    }

    fn single_quoted(&mut self) -> Part {
        let line = self.line;
        self.take();
        let mut text = String::new();
        loop {
            match self.take() {
                Some('\'') => break,
                Some(c) => text.push(c),
                None => {
                    self.unclosed.get_or_insert(line);
                    break;
                }
            }
        }
        Part::Text(text, true)
    }

    fn double_quoted(&mut self, parts: &mut Vec<Part>) {
        let line = self.line;
        self.take();
        let mut text = String::new();
        let before = parts.len();
        loop {
            match self.peek() {
                Some('"') => {
                    self.take();
                    break;
                }
                Some('\\') => {
                    self.take();
                    match self.take() {
                        Some(c @ ('"' | '\\' | '$')) => text.push(c),
                        Some('\n') => {}
                        Some(c) => text.extend(['\\', c]),
                        None => {}
                    }
                }
                Some('$') => match self.variable() {
                    Some(name) => {
                        if !text.is_empty() {
                            parts.push(Part::Text(std::mem::take(&mut text), true));
                        }
                        parts.push(Part::Variable(name, true));
                    }
                    None => text.push('$'),
                },
                Some(_) => text.extend(self.take()),
                None => {
                    self.unclosed.get_or_insert(line);
                    break;
                }
            }
        }
        // Empty quotes are a word of their own.
        if !text.is_empty() || parts.len() == before {
            parts.push(Part::Text(text, true));
        }
    }

    /// The name behind a dollar sign; none when the sign stands for itself.
    fn variable(&mut self) -> Option<String> {
        self.take();
        match self.peek()? {
            '{' => {
                let close = (self.at..self.chars.len()).find(|i| self.chars[*i] == '}')?;
                let name: String = self.chars[self.at + 1..close].iter().collect();
                while self.at <= close {
                    self.take();
                }
                Some(name)
            }
            c @ ('?' | '*' | '@' | '#') => {
                self.take();
                Some(c.into())
            }
            c if c.is_ascii_digit() => {
                let name = self.run(|c| c.is_ascii_digit());
                Some(name)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
                Some(name)
            }
            _ => None,
        }
    }

    fn run(&mut self, fits: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while self.peek().is_some_and(&fits) {
            text.extend(self.take());
        }
        text
    }
}

fn push(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text), false));
    }
}
