//! Which unit PID 1 starts: `systemd.unit=` and runlevel words of the command line, else `default.target`.

use super::generators::{word_text, words};
use super::{Inputs, name};

/// Unit that the command line asks for, and the word; the last one counts.
pub fn wanted(inputs: &Inputs) -> Option<(String, String)> {
    words(inputs)
        .filter_map(|word| {
            let unit = match (word.key.as_str(), word.value.as_deref()) {
                ("systemd.unit", Some(unit)) => {
                    let valid = matches!(
                        name::kind(unit),
                        Some(name::NameKind::Plain | name::NameKind::Instance)
                    );
                    valid.then(|| unit.to_owned())?
                }
                (key, None) => runlevel(key)?.to_owned(),
                _ => return None,
            };
            Some((unit, word_text(word)))
        })
        .last()
}

/// Target of a runlevel word (systemd(1), "Kernel Command Line").
fn runlevel(word: &str) -> Option<&'static str> {
    Some(match word {
        "emergency" | "-b" => "emergency.target",
        "rescue" | "single" | "-s" | "s" | "S" | "1" => "rescue.target",
        "2" | "3" | "4" => "multi-user.target",
        "5" => "graphical.target",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::cmdline;

    fn target(text: &str) -> Option<String> {
        let cmdline = cmdline::parse(text, &[]);
        let inputs = Inputs {
            cmdline: Some(&cmdline),
            ..Inputs::default()
        };
        wanted(&inputs).map(|(unit, _)| unit)
    }

    #[test]
    fn words() {
        assert_eq!(target("quiet root=x"), None);
        assert_eq!(target("systemd.unit=foo.target"), Some("foo.target".into()));
        assert_eq!(
            target("systemd.unit=foo.target single"),
            Some("rescue.target".into())
        );
        assert_eq!(target("quiet -- 3"), Some("multi-user.target".into()));
        assert_eq!(target("systemd.unit=nonsense"), None);
        assert_eq!(target("rd.systemd.unit=foo.target"), None);
    }
}
