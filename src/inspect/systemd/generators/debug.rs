//! `systemd-debug-generator`: `systemd.mask=`, `systemd.wants=`, `systemd.debug_shell`.

use super::{EARLY, Run, word_origin, word_text};
use crate::inspect::cmdline::{Word, same_key};
use crate::inspect::systemd::name::{self, UnitType};
use crate::inspect::systemd::target;
use crate::inspect::systemd::tree::Maker;

fn maker(word: &Word) -> Maker {
    Maker {
        name: "debug-generator",
        why: format!("{} on the kernel command line", word_text(word)),
        origin: word_origin(word),
    }
}

pub fn generate(run: &mut Run) {
    let words: Vec<Word> = run.words().cloned().collect();
    let anchor =
        target::wanted(run.inputs).map_or_else(|| "default.target".to_owned(), |(unit, _)| unit);
    let mut shell: Option<(Word, Option<String>)> = None;
    let mut shell_tty = None;
    for word in &words {
        let value = word.value.as_deref();
        match (word.key.as_str(), value) {
            ("systemd.mask", Some(value)) => {
                if let Some(unit) = name::mangle(value, UnitType::Service) {
                    run.overlay
                        .link(&format!("{EARLY}/{unit}"), "/dev/null", maker(word));
                }
            }
            ("systemd.wants", Some(value)) => {
                if let Some(unit) = name::mangle(value, UnitType::Service) {
                    let path = run.shipped(&unit);
                    run.pull_in(EARLY, &anchor, "wants", &path, &maker(word));
                }
            }
            (key, value) if same_key(key, "systemd.debug_shell") => {
                shell = match value.map(|v| (v, crate::inspect::systemd::keys::parse_bool(v))) {
                    None | Some((_, Some(true))) => Some((word.clone(), None)),
                    Some((_, Some(false))) => None,
                    Some((tty, None)) => Some((word.clone(), Some(tty.to_owned()))),
                };
            }
            (key, Some(tty)) if same_key(key, "systemd.default_debug_tty") => {
                shell_tty = Some(tty.to_owned())
            }
            _ => {}
        }
    }
    let Some((word, tty)) = shell else {
        return;
    };
    let maker = maker(&word);
    let path = run.shipped("debug-shell.service");
    run.pull_in(EARLY, &anchor, "wants", &path, &maker);
    let tty = tty.or(shell_tty);
    if let Some(tty) = tty
        .as_deref()
        .map(|t| t.strip_prefix("/dev/").unwrap_or(t))
        .filter(|t| *t != "tty9")
    {
        let text = format!(
            "[Unit]\nDescription=Early root shell on /dev/{tty} FOR DEBUGGING ONLY\nConditionPathExists=\n[Service]\nTTYPath=/dev/{tty}\n"
        );
        run.file(
            &format!("{EARLY}/debug-shell.service.d/50-tty.conf"),
            text,
            &maker,
        );
    }
}
