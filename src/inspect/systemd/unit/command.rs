//! Command lines of `Exec…=` settings (systemd.service(5), "Command lines"; `config_parse_exec`).

use crate::inspect::source::{Origin, SourceFile};
use crate::inspect::systemd::name;
use crate::inspect::systemd::syntax::Assignment;
use crate::inspect::systemd::words::{self, COMMAND};
use std::sync::Arc;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// `ExecStart`, …
    pub directive: String,
    /// Special characters before the path.
    pub prefixes: String,
    /// Program.
    pub path: String,
    /// Arguments, without the program's name.
    pub arguments: Vec<String>,
    /// The line.
    pub origin: Origin,
}

/// What became of a line.
pub enum Parsed {
    /// Commands, none when the line says nothing.
    Commands(Vec<Command>),
    /// The line is dropped.
    Ignored(String),
    /// The unit is refused.
    Refused(String),
}

/// A parsed line and what to say about it.
pub struct Line {
    pub result: Parsed,
    pub warnings: Vec<String>,
}

type Expand<'a> = &'a dyn Fn(&str) -> Result<String, char>;

/// Parses a line; several commands may be separated by a lone semicolon.
pub fn parse(a: &Assignment, source: &Arc<SourceFile>, expand: Expand) -> Line {
    let mut line = Line {
        result: Parsed::Commands(Vec::new()),
        warnings: Vec::new(),
    };
    let mut commands = Vec::new();
    let mut rest = a.value.as_str();
    while let Some(next) = one(&mut rest, a, source, expand, &mut line.warnings) {
        match next {
            Ok(Some(command)) => commands.push(command),
            Ok(None) => {}
            Err(other) => {
                // What came before the broken command on the same line stays.
                line.result = match (other, commands.is_empty()) {
                    (Parsed::Ignored(message), false) => {
                        line.warnings.push(message);
                        Parsed::Commands(commands)
                    }
                    (other, _) => other,
                };
                return line;
            }
        }
    }
    line.result = Parsed::Commands(commands);
    line
}

/// One command; `Ok(None)` for a lone semicolon, `None` at the end.
fn one(
    rest: &mut &str,
    a: &Assignment,
    source: &Arc<SourceFile>,
    expand: Expand,
    warnings: &mut Vec<String>,
) -> Option<Result<Option<Command>, Parsed>> {
    let first = match word(rest, warnings) {
        Ok(Some(first)) => first,
        Ok(None) => return None,
        Err(()) => {
            return Some(Err(Parsed::Ignored(format!(
                "unbalanced quoting, ignored: {}",
                a.value
            ))));
        }
    };
    if first == ";" {
        return Some(Ok(None));
    }
    let (prefixes, program) = split_prefixes(&first);
    let ignore = prefixes.contains('-');
    let fail = |message: String| {
        Some(Err(if ignore {
            Parsed::Ignored(message + ", ignored")
        } else {
            Parsed::Refused(message)
        }))
    };
    let path = match expand(program) {
        Ok(path) => path,
        Err(bad) => return fail(format!("unknown specifier %{bad} in '{program}'")),
    };
    if path.is_empty() {
        return fail(format!("empty path in command line: '{}'", a.value));
    }
    if path
        .chars()
        .any(|c| c.is_ascii_control() || matches!(c, '"' | '\'' | '\\'))
    {
        return fail(format!(
            "executable name contains special characters: {path}"
        ));
    }
    if path.ends_with('/') {
        return fail(format!("executable path specifies a directory: {path}"));
    }
    let valid = if path.starts_with('/') {
        path.len() < 4096 && path.split('/').all(|part| part.len() <= 255)
    } else {
        path.len() <= 255 && !path.contains('/') && path != "." && path != ".."
    };
    if !valid {
        return fail(format!(
            "neither a valid executable name nor an absolute path: {path}"
        ));
    }
    let mut arguments = Vec::new();
    let separate_argv0 = prefixes.contains('@');
    loop {
        if let Some(tail) = lone(rest, ";") {
            *rest = tail;
            break;
        }
        if let Some(tail) = lone(rest, "\\;") {
            *rest = tail;
            arguments.push(";".into());
            continue;
        }
        let argument = match word(rest, warnings) {
            Ok(Some(argument)) => argument,
            Ok(None) => break,
            Err(()) => return fail(format!("unbalanced quoting: {}", a.value)),
        };
        match expand(&argument) {
            Ok(argument) => arguments.push(argument),
            Err(bad) => return fail(format!("unknown specifier %{bad} in '{argument}'")),
        }
    }
    if separate_argv0 {
        if arguments.is_empty() {
            return fail(format!(
                "empty executable name or zeroeth argument: {}",
                a.value
            ));
        }
        arguments.remove(0);
    }
    Some(Ok(Some(Command {
        directive: a.key.clone(),
        prefixes: prefixes.to_owned(),
        path: name::simplify_path(&path),
        arguments,
        origin: Origin::line(source, a.line),
    })))
}

fn word(rest: &mut &str, warnings: &mut Vec<String>) -> Result<Option<String>, ()> {
    match words::next_relaxed(rest, COMMAND) {
        Ok(Some((word, unknown_escape))) => {
            if unknown_escape {
                warnings.push(format!("unknown escape sequences kept: \"{word}\""));
            }
            Ok(Some(word))
        }
        Ok(None) => Ok(None),
        Err(_) => Err(()),
    }
}

/// The text after a separator that stands by itself.
fn lone<'a>(rest: &'a str, separator: &str) -> Option<&'a str> {
    let tail = rest.strip_prefix(separator)?;
    (tail.is_empty() || tail.starts_with(words::is_space))
        .then(|| tail.trim_start_matches(words::is_space))
}

/// Splits off `-`, `@`, `:`, and one of `+`, `!`, `!!`, each at most once.
fn split_prefixes(word: &str) -> (&str, &str) {
    let mut len = 0;
    let mut privileges = 0;
    for c in word.chars() {
        let seen = &word[..len];
        let take = match c {
            '-' | '@' | ':' => !seen.contains(c),
            '+' => privileges == 0,
            '!' => privileges == 0 || (privileges == 1 && !seen.contains('+')),
            _ => false,
        };
        if !take {
            break;
        }
        privileges += usize::from(matches!(c, '+' | '!'));
        len += c.len_utf8();
    }
    word.split_at(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &str) -> Line {
        let source = Arc::new(SourceFile {
            partition: "p2".into(),
            path: "/x.service".into(),
            text: String::new(),
        });
        let a = Assignment {
            section: "Service".into(),
            key: "ExecStart".into(),
            value: value.into(),
            line: 1,
        };
        parse(&a, &source, &|t| match t.split_once("%z") {
            Some(_) => Err('z'),
            None => Ok(t.into()),
        })
    }

    fn commands(value: &str) -> Vec<String> {
        match line(value).result {
            Parsed::Commands(commands) => commands
                .into_iter()
                .map(|c| format!("{}|{}|{}", c.prefixes, c.path, c.arguments.join(",")))
                .collect(),
            Parsed::Ignored(m) => vec![format!("ignored: {m}")],
            Parsed::Refused(m) => vec![format!("refused: {m}")],
        }
    }

    #[test]
    fn good() {
        assert_eq!(commands("/bin/a b 'c d'"), ["|/bin/a|b,c d"]);
        assert_eq!(commands("-@/bin/a argv0 x"), ["-@|/bin/a|x"]);
        assert_eq!(
            commands("/bin/a x ; -/bin/b y"),
            ["|/bin/a|x", "-|/bin/b|y"]
        );
        assert_eq!(commands("/bin/a \\; x"), ["|/bin/a|;,x"]);
        assert_eq!(commands("/bin/a ';' x"), ["|/bin/a|;,x"]);
        assert_eq!(commands("!!/bin/a"), ["!!|/bin/a|"]);
        assert_eq!(
            commands("bash -c \"echo \\\"x\\\"\""),
            ["|bash|-c,echo \"x\""]
        );
        assert_eq!(commands("//bin//a"), ["|/bin/a|"]);
    }

    #[test]
    fn bad() {
        assert!(commands("./a")[0].starts_with("refused"));
        assert!(commands("/bin/")[0].starts_with("refused"));
        assert!(commands("-")[0].starts_with("ignored"));
        assert!(commands("+")[0].starts_with("refused"));
        assert!(commands("/bin/a 'x")[0].starts_with("refused"));
        assert!(commands("-/bin/a 'x")[0].starts_with("ignored"));
        assert!(commands("'x")[0].starts_with("ignored"));
        assert!(commands("/bin/a %z")[0].starts_with("refused"));
        assert_eq!(
            commands("@/bin/a"),
            ["refused: empty executable name or zeroeth argument: @/bin/a"]
        );
        assert_eq!(line("/bin/sed s/\\d/x/").warnings.len(), 1);
    }
}
