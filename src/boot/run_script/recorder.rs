//! Stands in for QEMU while a start script is expanded: writes down its arguments and ends.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// First argument that makes this executable the recorder; the directory for its findings follows.
pub const RECORDER: &str = "__record";
const ARGV: &str = "argv";
const KEPT: &str = "kept";
/// Files of the script's temporary directory that are kept.
const FILES_CAP: usize = 1000;

/// Writes the arguments, NUL-separated, and keeps the files of `$TMPDIR`: a script that ends with a trap removes
/// what it made for QEMU, such as its copy of the variable store.
pub fn record(arguments: &[OsString]) -> ExitCode {
    let [dir, argv @ ..] = arguments else {
        return ExitCode::from(2);
    };
    let dir = Path::new(dir);
    let mut text = Vec::new();
    for argument in argv {
        text.extend_from_slice(argument.as_bytes());
        text.push(0);
    }
    let written = (|| {
        if let Some(temporary) = std::env::var_os("TMPDIR") {
            keep(Path::new(&temporary), &dir.join(KEPT))?;
        }
        let part = dir.join("argv.part");
        std::fs::File::create(&part)?.write_all(&text)?;
        std::fs::rename(part, dir.join(ARGV))
    })();
    ExitCode::from(u8::from(written.is_err()))
}

/// Hard links cost nothing, however large the files are.
fn keep(from: &Path, to: &Path) -> std::io::Result<()> {
    for (n, (path, relative)) in files(from)?.into_iter().enumerate() {
        let target = to.join(relative);
        if n < FILES_CAP
            && let Some(parent) = target.parent()
        {
            std::fs::create_dir_all(parent)?;
            std::fs::hard_link(path, target)?;
        }
    }
    Ok(())
}

/// Regular files below a directory, with their paths relative to it.
fn files(root: &Path) -> std::io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory)?.flatten() {
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file()
                && let Ok(relative) = path.strip_prefix(root)
            {
                found.push((path.clone(), relative.to_owned()));
            }
        }
    }
    Ok(found)
}

/// What the recorder wrote; none when it was never called.
pub fn recorded(dir: &Path) -> Option<Vec<OsString>> {
    let text = std::fs::read(dir.join(ARGV)).ok()?;
    let mut argv: Vec<OsString> = text
        .split(|b| *b == 0)
        .map(|a| OsString::from_vec(a.to_vec()))
        .collect();
    // Every argument ends with NUL.
    argv.pop();
    Some(argv)
}

/// Puts back the files that the script's traps have removed since.
pub fn restore(dir: &Path, temporary: &Path) -> std::io::Result<()> {
    let kept = dir.join(KEPT);
    if !kept.is_dir() {
        return Ok(());
    }
    for (path, relative) in files(&kept)? {
        let target = temporary.join(relative);
        if !target.exists()
            && let Some(parent) = target.parent()
        {
            std::fs::create_dir_all(parent)?;
            std::fs::hard_link(path, target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_files_come_back_and_arguments_stay_whole() {
        let directory = tempfile::tempdir().unwrap();
        let temporary = directory.path().join("state");
        let vars = temporary.join("tmp.X/vars.fd");
        std::fs::create_dir_all(vars.parent().unwrap()).unwrap();
        std::fs::write(&vars, "v").unwrap();
        keep(&temporary, &directory.path().join(KEPT)).unwrap();
        std::fs::remove_dir_all(vars.parent().unwrap()).unwrap();
        restore(directory.path(), &temporary).unwrap();
        assert_eq!(std::fs::read(&vars).unwrap(), b"v");
        std::fs::write(directory.path().join(ARGV), b"qemu\0-append\0a b\n\0\0").unwrap();
        let argv = recorded(directory.path()).unwrap();
        assert_eq!(argv, ["qemu", "-append", "a b\n", ""]);
    }
}
