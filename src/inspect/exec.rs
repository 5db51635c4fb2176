//! Can the kernel execute this file? ELF and script interpreters, modes, libraries.

mod elf;
mod libraries;

pub use libraries::SearchPath;

use super::error::{Error, ErrorKind, Fact, Result};
use super::filesystem::{FileKind, FileSystem};
use super::source::{Location, SourceFile};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// What `execve(2)` makes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Format {
    /// An ELF file.
    Elf {
        /// Machine (`x86_64`, `aarch64`, …).
        machine: String,
        /// Program interpreter (the dynamic loader), when dynamic.
        interpreter: Option<String>,
        /// `DT_NEEDED` libraries.
        needed: Vec<String>,
        /// Libraries that it or one of its libraries needs, and that neither the standard directories nor ld.so.conf nor
        /// `DT_RUNPATH` hold.
        missing_libraries: Vec<String>,
    },
    /// A `#!` script.
    Script {
        /// Interpreter path exactly as the kernel takes it (a carriage return stays in it).
        interpreter: String,
        /// Optional single argument.
        argument: Option<String>,
    },
    /// Neither: `execve` says `ENOEXEC`, or the program is damaged.
    Unknown,
    /// An empty file.
    Empty,
}

/// A file that something wants to execute, links resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Executable {
    /// Where it lies after links are resolved.
    pub location: Location,
    /// Permission bits.
    pub mode: u16,
    /// Size in bytes.
    pub size: u64,
    /// What it is.
    pub format: Format,
    /// The script's or ELF's interpreter, one level down.
    pub interpreter: Option<Box<Fact<Executable>>>,
    /// Text of a script (at most 256 KiB), for the checks that read it.
    #[serde(skip)]
    pub text: Option<Arc<SourceFile>>,
}

/// Scripts larger than this are not kept as text.
const SCRIPT_CAP: u64 = 256 << 10;
/// `BINPRM_BUF_SIZE` (include/uapi/linux/binfmts.h): what the kernel sees of a file before it decides.
const HEAD: usize = 256;
/// An interpreter may be a script again; the kernel allows a few levels (fs/exec.c, `bprm->recursion`).
const MAX_DEPTH: usize = 5;

/// What `execve(2)` of `path` would find. Missing files are [`Fact::Absent`].
pub fn read(fs: &dyn FileSystem, search: &SearchPath, path: &str) -> Fact<Executable> {
    Fact::from_result(read_at_depth(fs, search, path, 0))
}

fn read_at_depth(
    fs: &dyn FileSystem,
    search: &SearchPath,
    path: &str,
    depth: usize,
) -> Result<Executable> {
    let canonical = fs.canonicalize(path)?;
    let location = Location::file(fs.partition(), canonical.clone());
    if depth > MAX_DEPTH {
        return Err(Error::limit(
            location,
            "interpreters of interpreters without end",
        ));
    }
    let metadata = fs.metadata(&canonical)?;
    if metadata.kind != FileKind::Regular {
        return Err(Error::new(
            ErrorKind::Unsupported,
            location,
            "is not a regular file",
        ));
    }
    let head = fs.read_at(&canonical, 0, HEAD)?;
    let mut text = None;
    let format = if head.is_empty() {
        Format::Empty
    } else if head.starts_with(b"#!") {
        if metadata.size <= SCRIPT_CAP {
            text = Some(fs.read_source(&canonical, SCRIPT_CAP)?);
        }
        shebang(&head).unwrap_or(Format::Unknown)
    } else if head.starts_with(b"\x7fELF") {
        match elf::read(fs, &canonical)? {
            Some(program) => Format::Elf {
                missing_libraries: search.missing(fs, &canonical, &program),
                machine: program.machine,
                interpreter: program.interpreter,
                needed: program.needed,
            },
            None => Format::Unknown,
        }
    } else {
        // Shells run such a file themselves; systemd and the kernel do not.
        if metadata.size <= SCRIPT_CAP && !head.contains(&0) {
            text = Some(fs.read_source(&canonical, SCRIPT_CAP)?);
        }
        Format::Unknown
    };
    let interpreter = match &format {
        Format::Elf {
            interpreter: Some(name),
            ..
        } => Some(name.clone()),
        Format::Script { interpreter, .. } => Some(interpreter.clone()),
        _ => None,
    };
    let interpreter = interpreter.map(|name| {
        // A relative name is looked up in the working directory, which is `/` for services.
        let path = format!("/{}", name.trim_start_matches('/'));
        Box::new(Fact::from_result(read_at_depth(
            fs,
            search,
            &path,
            depth + 1,
        )))
    });
    Ok(Executable {
        location,
        mode: metadata.mode,
        size: metadata.size,
        format,
        interpreter,
        text,
    })
}

/// `#!` line as fs/binfmt_script.c takes it: blanks are skipped, the first word is the interpreter, the rest one argument.
/// A carriage return is a character like any other. None: `ENOEXEC`.
fn shebang(head: &[u8]) -> Option<Format> {
    let mut buf = [0; HEAD];
    let len = head.len().min(HEAD);
    buf[..len].copy_from_slice(&head[..len]);
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let rest = &buf[2..];
    // The search for the newline stops at a NUL, and what is behind the buffer's last byte is never seen.
    let newline = rest.iter().position(|b| matches!(b, b'\n' | 0));
    let line = match newline.filter(|at| rest[*at] == b'\n') {
        Some(at) => &rest[..at],
        None => {
            let rest = &rest[..rest.len() - 1];
            let start = rest.iter().position(|b| !blank(b))?;
            // Without a terminator the interpreter's path may be cut off.
            rest[start..].iter().position(|b| blank(b) || *b == 0)?;
            rest
        }
    };
    let line = &line[line.iter().position(|b| !blank(b))?..];
    let end = line.iter().position(|b| blank(b) || *b == 0);
    let (interpreter, argument) = line.split_at(end.unwrap_or(line.len()));
    if interpreter.is_empty() {
        return None;
    }
    let argument = argument.split(|b| *b == 0).next().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let argument = text(argument);
    let argument = argument.trim_matches([' ', '\t']);
    Some(Format::Script {
        interpreter: text(interpreter),
        argument: (!argument.is_empty()).then(|| argument.to_owned()),
    })
}

impl Executable {
    /// Whether this is systemd's manager, by its libraries or by its name.
    pub fn is_systemd(&self) -> bool {
        let path = self.location.path.as_deref().unwrap_or_default();
        self.systemd_version().is_some() || path.ends_with("/systemd/systemd")
    }

    /// Version of the systemd that this program is part of: only its own are linked with its private libraries
    /// (`libsystemd-shared-257.so`, `libsystemd-core-257.so`).
    pub fn systemd_version(&self) -> Option<u32> {
        let Format::Elf { needed, .. } = &self.format else {
            return None;
        };
        needed.iter().find_map(|name| {
            let version = name
                .strip_prefix("libsystemd-shared-")
                .or_else(|| name.strip_prefix("libsystemd-core-"))?;
            version.split(['.', '-', '~']).next()?.parse().ok()
        })
    }

    /// Any execute bit is set; root needs no more than one (capabilities(7), CAP_DAC_OVERRIDE).
    pub fn is_executable(&self) -> bool {
        self.mode & 0o111 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::filesystem::directory::DirectoryFs;
    use std::os::unix::fs::PermissionsExt;

    fn made(name: &str, content: &[u8], mode: u32) -> (tempfile::TempDir, Fact<Executable>) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::fs::write(dir.path().join("bin/sh"), "x").unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let fact = read(
            &DirectoryFs::new(dir.path(), "root"),
            &SearchPath::default(),
            &format!("/{name}"),
        );
        (dir, fact)
    }

    #[test]
    fn scripts_are_read_as_the_kernel_reads_them() {
        let (_dir, fact) = made("a", b"#! /bin/sh -e x\necho\n", 0o755);
        let a = fact.known().unwrap();
        assert_eq!(
            a.format,
            Format::Script {
                interpreter: "/bin/sh".into(),
                argument: Some("-e x".into())
            }
        );
        assert!(matches!(a.interpreter.as_deref(), Some(Fact::Known(_))));
        assert!(a.is_executable() && a.text.is_some());
    }

    #[test]
    fn a_carriage_return_belongs_to_the_interpreter() {
        let (_dir, fact) = made("a", b"#!/bin/sh\r\necho\r\n", 0o644);
        let a = fact.known().unwrap();
        assert_eq!(
            a.format,
            Format::Script {
                interpreter: "/bin/sh\r".into(),
                argument: None
            }
        );
        assert!(matches!(a.interpreter.as_deref(), Some(Fact::Absent)));
        assert!(!a.is_executable());
    }

    #[test]
    fn the_kernel_sees_only_the_first_bytes() {
        let script = |text: &str| shebang(text.as_bytes());
        let long = "x".repeat(300);
        assert_eq!(script(&format!("#!/{long}\n")), None);
        assert_eq!(script("#!\n/bin/sh\n"), None);
        assert_eq!(script("#!   \t\n"), None);
        let found = script(&format!("#!/bin/sh {long}\n"));
        assert!(
            matches!(&found, Some(Format::Script { interpreter, argument: Some(a) })
                if interpreter == "/bin/sh" && a.len() == HEAD - 1 - "#!/bin/sh ".len()),
            "{found:?}"
        );
        assert_eq!(
            script("#!/bin/sh"),
            Some(Format::Script {
                interpreter: "/bin/sh".into(),
                argument: None
            })
        );
    }

    #[test]
    fn empty_missing_and_unknown() {
        assert_eq!(
            made("a", b"", 0o755).1.known().unwrap().format,
            Format::Empty
        );
        assert_eq!(
            made("a", b"echo\n", 0o755).1.known().unwrap().format,
            Format::Unknown
        );
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(
            read(
                &DirectoryFs::new(dir.path(), "root"),
                &SearchPath::default(),
                "/no"
            ),
            Fact::Absent
        );
    }
}
