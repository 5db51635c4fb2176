//! Private copies of scripts in which QEMU is replaced.
//!
//! `PATH` shadows a bare `qemu-system-x86_64`, but Nix writes absolute paths; those words are replaced in the text. A script that
//! hands over to another script is followed.

use regex::Regex;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Largest script taken.
const SCRIPT_CAP: u64 = 4 << 20;
/// Scripts that call scripts, this deep.
const DEPTH: usize = 6;

/// A path to an emulator. `qemu-img`, `qemu-nbd` and the like stay.
static EMULATOR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"/[A-Za-z0-9._+@%/-]*/(qemu-system-[a-z0-9_]+|qemu-kvm|kvm)\b"#).ok()
});
static ABSOLUTE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"/[A-Za-z0-9._+@%-]+(/[A-Za-z0-9._+@%-]+)+"#).ok());

/// What the rewriting found.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// Original script → its private text.
    pub scripts: BTreeMap<PathBuf, String>,
    /// The first emulator named by an absolute path.
    pub qemu: Option<PathBuf>,
}

/// Reads a script; none when it is no text file with `#!`.
pub fn read_script(path: &Path) -> Option<String> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut file = std::fs::File::open(path).ok()?;
    let mut head = [0; 2];
    file.read_exact(&mut head).ok()?;
    if head != *b"#!" {
        return None;
    }
    let mut text = String::from("#!");
    file.take(SCRIPT_CAP).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Replaces emulators in a script, and in the scripts it names, by `recorder`. Scripts that lead to no emulator are left alone.
/// `place` gives the path of a script's private copy.
pub fn rewrite(
    script: &Path,
    text: &str,
    recorder: &Path,
    place: &dyn Fn(&Path) -> PathBuf,
) -> Rewritten {
    let mut found = Rewritten::default();
    let text = replace(text, recorder, place, &mut found, DEPTH);
    found.scripts.insert(script.to_owned(), text);
    found
}

fn replace(
    text: &str,
    recorder: &Path,
    place: &dyn Fn(&Path) -> PathBuf,
    found: &mut Rewritten,
    depth: usize,
) -> String {
    let (Some(emulator), Some(absolute)) = (EMULATOR.as_ref(), ABSOLUTE.as_ref()) else {
        return text.to_owned();
    };
    let (shebang, body) = text.split_at(text.find('\n').unwrap_or(text.len()));
    if let Some(first) = emulator.find(body)
        && found.qemu.is_none()
    {
        found.qemu = Some(PathBuf::from(first.as_str()));
    }
    let body = emulator
        .replace_all(body, regex::NoExpand(&recorder.display().to_string()))
        .into_owned();
    let body = absolute.replace_all(&body, |word: &regex::Captures<'_>| {
        let path = Path::new(&word[0]);
        if path == recorder || depth == 0 {
            return word[0].to_owned();
        }
        let known = found.scripts.contains_key(path);
        if !known {
            let Some(inner) = read_script(path) else {
                return word[0].to_owned();
            };
            // A place holder against scripts that call each other.
            found.scripts.insert(path.to_owned(), String::new());
            let rewritten = replace(&inner, recorder, place, found, depth - 1);
            if rewritten == inner {
                found.scripts.remove(path);
                return word[0].to_owned();
            }
            found.scripts.insert(path.to_owned(), rewritten);
        }
        place(path).display().to_string()
    });
    format!("{shebang}{body}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_emulators_are_replaced_and_tools_are_not() {
        let text = "#!/bin/sh\nqemu-img create x\n/nix/store/a-qemu/bin/qemu-img info y\nexec /nix/store/a-qemu-8.1/bin/qemu-system-x86_64 -m 1 \"$@\"\n";
        let found = rewrite(Path::new("/s/run-x-vm"), text, Path::new("/p/rec"), &|p| {
            p.to_owned()
        });
        let new = &found.scripts[Path::new("/s/run-x-vm")];
        assert!(new.contains("exec /p/rec -m 1 \"$@\""), "{new}");
        assert!(new.contains("/nix/store/a-qemu/bin/qemu-img info y"));
        assert_eq!(
            found.qemu,
            Some("/nix/store/a-qemu-8.1/bin/qemu-system-x86_64".into())
        );
    }

    #[test]
    fn a_script_behind_a_script_is_followed_once() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        let outer = directory.path().join("outer");
        let back = format!(
            "#!/bin/sh\n# called by {}\n/q/bin/qemu-kvm \"$@\"\n",
            outer.display()
        );
        std::fs::write(&inner, back).unwrap();
        let text = format!("#!/bin/sh\nexec {} \"$@\"\n", inner.display());
        std::fs::write(&outer, &text).unwrap();
        let place = |p: &Path| Path::new("/priv").join(p.file_name().unwrap());
        let found = rewrite(&outer, &text, Path::new("/p/rec"), &place);
        assert!(found.scripts[&outer].contains("exec /priv/inner"));
        assert!(found.scripts[&inner].contains("/p/rec \"$@\""));
    }
}
