//! What systemd needs, besides the program, before it can execute a service: users, directories, files.

use super::error::Fact;
use super::filesystem::FileSystem;
use super::fstab::FstabEntry;
use super::source::Origin;
use super::systemd::{Setting, Unit};
use schemars::JsonSchema;
use serde::Serialize;

/// One thing that a service needs to be started, and that the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Lack {
    /// The setting: `User`, `WorkingDirectory`, …
    pub setting: String,
    /// What it names.
    pub value: String,
    /// How systemd says that it failed: `217/USER`.
    pub status: &'static str,
    /// The line.
    pub origin: Origin,
}

/// Files larger than this are not read for names.
const CAP: u64 = 1 << 20;
/// Filled while the system runs.
const RUNTIME: &[&str] = &[
    "/dev", "/proc", "/run", "/var/run", "/sys", "/tmp", "/var/tmp",
];
/// Settings by which systemd makes the directory itself, and where (systemd.exec(5), `RuntimeDirectory=`).
const MADE: &[(&str, &str)] = &[
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
    ("ConfigurationDirectory", "/etc"),
];
/// Lists of paths that must exist for the mount namespace, unless marked by `-` (systemd.exec(5), "Sandboxing").
const NAMESPACE: &[&str] = &[
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "BindPaths",
    "BindReadOnlyPaths",
];
/// Sources of names for users that lie in files (nsswitch.conf(5)); any other may know more.
const NAME_FILES: &[&str] = &["files", "compat", "systemd"];

/// What a service lacks. What another root, a mount, tmpfiles.d or a specifier decides is not judged.
pub fn lacks(unit: &Unit, fs: &dyn FileSystem, fstab: &Fact<Vec<FstabEntry>>) -> Vec<Lack> {
    let service = |key: &str| unit.value("Service", key);
    if ["RootDirectory", "RootImage"]
        .iter()
        .any(|k| service(k).is_some_and(|s| !s.value.is_empty()))
    {
        return Vec::new();
    }
    let image = Image { fs, fstab, unit };
    let mut found = Vec::new();
    let mut need = |setting: &Setting, value: &str, status: &'static str| {
        found.push(Lack {
            setting: setting.key.clone(),
            value: value.to_owned(),
            status,
            origin: setting.origin.clone(),
        });
    };
    if !service("DynamicUser")
        .is_some_and(|s| matches!(s.value.as_str(), "yes" | "true" | "1" | "on"))
    {
        for (key, database, status) in [
            ("User", Database::User, "217/USER"),
            ("Group", Database::Group, "216/GROUP"),
        ] {
            if let Some(setting) = service(key)
                && image.lacks_name(&setting.value, database)
            {
                need(setting, &setting.value, status);
            }
        }
    }
    if let Some(setting) = service("WorkingDirectory")
        && image.lacks_path(&setting.value)
    {
        need(setting, &setting.value, "200/CHDIR");
    }
    for setting in unit.values("Service", "EnvironmentFile") {
        if image.lacks_path(&setting.value) {
            need(setting, &setting.value, "result 'resources'");
        }
    }
    if let Some(setting) = service("StandardInput")
        && let Some(path) = setting.value.strip_prefix("file:")
        && image.lacks_path(path)
    {
        need(setting, path, "208/STDIN");
    }
    for key in NAMESPACE {
        for setting in unit.values("Service", key) {
            for word in setting.value.split_whitespace() {
                let path = word.split(':').next().unwrap_or_default();
                if image.lacks_path(path.trim_start_matches('+')) {
                    need(setting, path, "226/NAMESPACE");
                }
            }
        }
    }
    found
}

#[derive(Clone, Copy)]
enum Database {
    User,
    Group,
}

struct Image<'a> {
    fs: &'a dyn FileSystem,
    fstab: &'a Fact<Vec<FstabEntry>>,
    unit: &'a Unit,
}

impl Image<'_> {
    /// A name that no file of the image knows, and nothing would make. Numbers need no entry.
    fn lacks_name(&self, name: &str, database: Database) -> bool {
        let (file, key, letters) = match database {
            Database::User => ("/etc/passwd", "passwd", "u"),
            Database::Group => ("/etc/group", "group", "ug"),
        };
        // systemd knows these two without any file (src/basic/user-util.c).
        let plain = !name.is_empty()
            && !name.contains('%')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        if !plain || ["root", "nobody", "nogroup"].contains(&name) || !self.only_files(key) {
            return false;
        }
        let Ok(text) = self.fs.read_source(file, CAP) else {
            return false;
        };
        let listed = text
            .text
            .lines()
            .any(|line| line.split(':').next() == Some(name));
        !listed
            && !self.declared("sysusers.d", |words| {
                words
                    .first()
                    .is_some_and(|l| letters.contains(l.trim_end_matches(['!', '-', '+'])))
                    && words.get(1) == Some(&name)
            })
    }

    /// Whether users come from files alone.
    fn only_files(&self, key: &str) -> bool {
        let Ok(text) = self.fs.read_source("/etc/nsswitch.conf", CAP) else {
            return true;
        };
        let sources = text.text.lines().filter_map(|line| {
            line.split('#')
                .next()?
                .trim()
                .strip_prefix(key)?
                .trim_start()
                .strip_prefix(':')
        });
        sources
            .flat_map(str::split_whitespace)
            .all(|source| NAME_FILES.contains(&source) || source.starts_with('['))
    }

    /// A path that is not there, and that nothing would make.
    fn lacks_path(&self, path: &str) -> bool {
        if !path.starts_with('/') || path.contains(['%', '*', '?', '[']) || self.fs.exists(path) {
            return false;
        }
        let below = |dir: &str| {
            path.strip_prefix(dir)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let runtime = RUNTIME.iter().any(|dir| below(dir));
        let mounted = || {
            self.fstab.known().is_none_or(|all| {
                all.iter()
                    .any(|e| e.mount_point != "/" && below(e.mount_point.trim_end_matches('/')))
            })
        };
        let mount_unit = || {
            self.unit
                .values("Unit", "RequiresMountsFor")
                .any(|s| s.value.split_whitespace().any(below))
        };
        let made = MADE.iter().any(|(key, parent)| {
            let names = self
                .unit
                .values("Service", key)
                .flat_map(|s| s.value.split_whitespace());
            names
                .map(|n| n.split(':').next().unwrap_or(n))
                .any(|n| below(&format!("{parent}/{n}")))
        });
        !runtime
            && !mounted()
            && !mount_unit()
            && !made
            && !self.declared("tmpfiles.d", |words| makes(words, path))
    }

    /// Whether a line of the configuration directories of this name says so; what cannot be read might.
    fn declared(&self, directory: &str, says: impl Fn(&[&str]) -> bool) -> bool {
        ["/etc", "/usr/local/lib", "/usr/lib"].iter().any(|parent| {
            let dir = format!("{parent}/{directory}");
            let entries = self.fs.read_dir(&dir).unwrap_or_default();
            let configs = entries.iter().filter(|e| e.name.ends_with(".conf"));
            configs.into_iter().any(|entry| {
                match self.fs.read_source(&format!("{dir}/{}", entry.name), CAP) {
                    Ok(file) => file
                        .text
                        .lines()
                        .any(|line| says(&line.split_whitespace().collect::<Vec<_>>())),
                    Err(_) => true,
                }
            })
        })
    }
}

/// Whether a line of tmpfiles.d(5) may make the path: it, something in it, or a copied tree around it.
fn makes(line: &[&str], path: &str) -> bool {
    let (Some(kind), Some(made)) = (line.first(), line.get(1)) else {
        return false;
    };
    let made = made.trim_end_matches('/');
    let inside = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match made.find(['%', '*', '?', '[']) {
        // What a specifier or pattern stands for is not known here.
        Some(at) => path.starts_with(&made[..at]),
        None => inside(path, made) || (kind.starts_with('C') && inside(made, path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::testing;
    use crate::inspect::filesystem::directory::DirectoryFs;

    fn image() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\ntester:x:1000:1000::/home:/bin/sh\n",
        );
        write("etc/group", "root:x:0:\n");
        write("etc/default/there", "");
        write("usr/lib/sysusers.d/a.conf", "u later - \"Made at boot\"\n");
        write(
            "usr/lib/tmpfiles.d/home.conf",
            "q /srv 0755 - - -\nd /srv/made 0755\nd /var/lib/x/%m 0755\n",
        );
        dir
    }

    fn lacking(lines: &str) -> Vec<(String, &'static str)> {
        let dir = image();
        let fs = DirectoryFs::new(dir.path(), "p2");
        let unit = testing::unit("a.service", &format!("[Service]\n{lines}\n"));
        let mut facts = testing::healthy();
        testing::fstab(&mut facts, "/dev/vda3 /data ext4 defaults 0 0\n");
        let found = lacks(&unit, &fs, &facts.fstab);
        found.into_iter().map(|l| (l.value, l.status)).collect()
    }

    #[test]
    fn what_is_not_there_is_named_with_its_status() {
        for (line, value, status) in [
            ("User=nixos", "nixos", "217/USER"),
            ("Group=tester", "tester", "216/GROUP"),
            ("WorkingDirectory=/srv/test", "/srv/test", "200/CHDIR"),
            (
                "EnvironmentFile=/etc/default/gone",
                "/etc/default/gone",
                "result 'resources'",
            ),
            (
                "ReadWritePaths=/etc /opt/state",
                "/opt/state",
                "226/NAMESPACE",
            ),
            ("BindPaths=/opt/a:/opt/b", "/opt/a", "226/NAMESPACE"),
            (
                "StandardInput=file:/etc/answers",
                "/etc/answers",
                "208/STDIN",
            ),
        ] {
            assert_eq!(lacking(line), [(value.to_owned(), status)], "{line}");
        }
    }

    #[test]
    fn what_is_there_or_will_be_is_not() {
        for line in [
            "User=tester",
            "User=root\nGroup=root",
            "User=4711",
            "User=later\nGroup=later",
            "DynamicUser=yes\nUser=anybody",
            "User=%i",
            "WorkingDirectory=-/srv/test",
            "WorkingDirectory=~",
            "WorkingDirectory=/srv/made",
            "WorkingDirectory=/run/test",
            "WorkingDirectory=/data/test",
            "WorkingDirectory=/var/lib/x/1234",
            "StateDirectory=test\nWorkingDirectory=/var/lib/test",
            "EnvironmentFile=/etc/default/there",
            "EnvironmentFile=-/etc/default/gone",
            "EnvironmentFile=/etc/default/*.env",
            "ReadWritePaths=-/opt/state",
            "RootDirectory=/opt/root\nUser=nixos",
        ] {
            assert_eq!(lacking(line), [], "{line}");
        }
    }

    #[test]
    fn other_sources_of_names_leave_it_open() {
        let dir = image();
        std::fs::write(dir.path().join("etc/nsswitch.conf"), "passwd: files sss\n").unwrap();
        let fs = DirectoryFs::new(dir.path(), "p2");
        let unit = testing::unit("a.service", "[Service]\nUser=nixos\n");
        assert!(lacks(&unit, &fs, &Fact::Known(Vec::new())).is_empty());
    }
}
