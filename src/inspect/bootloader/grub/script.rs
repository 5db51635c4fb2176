//! GRUB's script as a tree: commands, conditions, loops, functions and menu entries.

use super::lexer::{self, Kind, Part, Token};

/// Nesting beyond this is an attack.
const MAX_DEPTH: usize = 64;

/// A word before expansion.
pub type Word = Vec<Part>;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A command with its words, or an assignment.
    Command {
        /// Command and arguments.
        words: Vec<Word>,
        /// Line.
        line: u32,
    },
    /// `menuentry` or `submenu` with its body.
    Entry {
        /// Arguments behind the keyword.
        words: Vec<Word>,
        /// What it does when it is chosen.
        body: Vec<Statement>,
        /// Is a submenu.
        submenu: bool,
        /// Line.
        line: u32,
    },
    /// `if … then … elif … else … fi`: conditions with their branches, the last condition empty for `else`.
    If(Vec<(Vec<Statement>, Vec<Statement>)>),
    /// `for NAME in WORDS; do … done`.
    For {
        /// Loop variable.
        name: String,
        /// What it runs over.
        words: Vec<Word>,
        /// Body.
        body: Vec<Statement>,
    },
    /// `while` and `until`.
    While {
        /// Condition.
        condition: Vec<Statement>,
        /// Body.
        body: Vec<Statement>,
        /// The condition that ends it, for `until`.
        until: bool,
    },
    /// `function NAME { … }`.
    Function {
        /// Name.
        name: String,
        /// Body.
        body: Vec<Statement>,
    },
}

/// A syntax error with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// 1-based line.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// Parses a script. Statements before an error are kept, as GRUB runs them one by one.
pub fn parse(text: &str) -> (Vec<Statement>, Option<SyntaxError>) {
    let (tokens, unclosed) = lexer::split(text);
    let mut parser = Parser {
        tokens,
        at: 0,
        depth: 0,
    };
    let mut statements = Vec::new();
    let result = parser.list(&mut statements, &|_| false);
    let mut error = result.err();
    if error.is_none() && parser.peek().is_some() {
        error = Some(parser.error("there is a } too many"));
    }
    let unclosed = unclosed.map(|line| SyntaxError {
        line,
        message: "a quote is not closed".into(),
    });
    (statements, unclosed.or(error))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn keyword(&self) -> Option<&str> {
        self.peek()?.bare()
    }

    fn error(&self, message: &str) -> SyntaxError {
        let token = self.peek().or(self.tokens.last());
        SyntaxError {
            line: token.map_or(1, |t| t.line),
            message: message.to_owned(),
        }
    }

    fn skip_ends(&mut self) {
        while self.peek().is_some_and(|t| t.kind == Kind::End) {
            self.at += 1;
        }
    }

    /// Statements up to a closing brace, a keyword that `ends` the list, or the end of the file.
    fn list(&mut self, into: &mut Vec<Statement>, ends: &dyn Fn(&str) -> bool) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error("is nested too deep"));
        }
        loop {
            self.skip_ends();
            match self.peek() {
                None => break,
                Some(token) if token.kind == Kind::Close => break,
                Some(token) if token.bare().is_some_and(ends) => break,
                Some(_) => into.push(self.statement()?),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn body(&mut self, ends: &dyn Fn(&str) -> bool) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        self.list(&mut statements, ends)?;
        Ok(statements)
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        self.skip_ends();
        if self.keyword() == Some(word) {
            self.at += 1;
            return Ok(());
        }
        Err(self.error(&format!("{word} is missing")))
    }

    fn statement(&mut self) -> Result<Statement> {
        let line = self.peek().map_or(1, |t| t.line);
        let keyword = self.keyword().unwrap_or_default().to_owned();
        match keyword.as_str() {
            "if" => self.condition(),
            "for" => self.for_loop(),
            "while" | "until" => {
                self.at += 1;
                let condition = self.body(&|w| w == "do")?;
                self.expect("do")?;
                let body = self.body(&|w| w == "done")?;
                self.expect("done")?;
                Ok(Statement::While {
                    condition,
                    body,
                    until: keyword == "until",
                })
            }
            "function" => {
                self.at += 1;
                let name = self.keyword().unwrap_or_default().to_owned();
                self.at += 1;
                Ok(Statement::Function {
                    name,
                    body: self.block()?,
                })
            }
            "menuentry" | "submenu" => {
                self.at += 1;
                let words = self.words();
                Ok(Statement::Entry {
                    words,
                    body: self.block()?,
                    submenu: keyword == "submenu",
                    line,
                })
            }
            _ => {
                let words = self.words();
                if words.is_empty() {
                    return Err(self.error("a command is missing before {"));
                }
                Ok(Statement::Command { words, line })
            }
        }
    }

    fn condition(&mut self) -> Result<Statement> {
        let mut arms = Vec::new();
        self.at += 1;
        loop {
            let test = self.body(&|w| w == "then")?;
            self.expect("then")?;
            let branch = self.body(&|w| matches!(w, "elif" | "else" | "fi"))?;
            arms.push((test, branch));
            match self.keyword() {
                Some("elif") => self.at += 1,
                Some("else") => {
                    self.at += 1;
                    arms.push((Vec::new(), self.body(&|w| w == "fi")?));
                    self.expect("fi")?;
                    break;
                }
                _ => {
                    self.expect("fi")?;
                    break;
                }
            }
        }
        Ok(Statement::If(arms))
    }

    fn for_loop(&mut self) -> Result<Statement> {
        self.at += 1;
        let name = self.keyword().unwrap_or_default().to_owned();
        self.at += 1;
        self.expect("in")?;
        let words = self.words();
        self.expect("do")?;
        let body = self.body(&|w| w == "done")?;
        self.expect("done")?;
        Ok(Statement::For { name, words, body })
    }

    /// Words up to the end of the command.
    fn words(&mut self) -> Vec<Word> {
        let mut words = Vec::new();
        while let Some(Token {
            kind: Kind::Word(parts),
            ..
        }) = self.peek()
        {
            words.push(parts.clone());
            self.at += 1;
        }
        words
    }

    /// `{ … }`, which may begin on the next line.
    fn block(&mut self) -> Result<Vec<Statement>> {
        self.skip_ends();
        if self.peek().is_none_or(|t| t.kind != Kind::Open) {
            return Err(self.error("{ is missing"));
        }
        self.at += 1;
        let body = self.body(&|_| false)?;
        if self.peek().is_none_or(|t| t.kind != Kind::Close) {
            return Err(self.error("} is missing"));
        }
        self.at += 1;
        Ok(body)
    }
}
