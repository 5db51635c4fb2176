//! `modprobe.d`: aliases, blacklists, install commands, options and soft dependencies (modprobe.d(5), libkmod-config.c).

use crate::inspect::cmdline::CmdlineFacts;
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};
use crate::inspect::source::{Origin, SourceFile};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Directories by precedence: a file hides those of the same name in later ones.
pub const DIRECTORIES: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];
/// More files than this in one directory are not read.
const MAX_FILES: usize = 4096;

/// One line: what it names and the rest of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Module or alias pattern, underscores.
    pub name: String,
    /// The rest of the line.
    pub rest: String,
    /// Where it stands; none for the command line.
    pub origin: Option<Origin>,
}

/// A `softdep` line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoftDependency {
    /// Module pattern.
    pub name: String,
    /// To be loaded before.
    pub pre: Vec<String>,
    /// To be loaded after.
    pub post: Vec<String>,
}

/// The configuration in the order in which kmod reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// `alias PATTERN MODULE`.
    pub aliases: Vec<Line>,
    /// `blacklist MODULE`, and `modprobe.blacklist=` words.
    pub blacklists: Vec<Line>,
    /// `install PATTERN COMMAND`.
    pub installs: Vec<Line>,
    /// `options MODULE …`, and `module.option=` words.
    pub options: Vec<Line>,
    /// `softdep PATTERN pre: … post: …`.
    pub softdeps: Vec<SoftDependency>,
}

impl Config {
    /// Reads the directories of `fs`, the soft dependencies that depmod collected in `tree`, and the command line.
    pub fn read(fs: &dyn FileSystem, tree: &str, cmdline: Option<&CmdlineFacts>) -> Config {
        let mut files = files(fs, &DIRECTORIES, &[".conf", ".alias"]);
        files
            .entry("modules.softdep".into())
            .or_insert_with(|| format!("{tree}/modules.softdep"));
        let mut config = Config::default();
        for path in files.values() {
            if let Ok(source) = fs.read_source(path, CONFIG_CAP) {
                config.parse(&source);
            }
        }
        config.take_cmdline(cmdline);
        config
    }

    /// The configuration that files kept from an initrd amount to; directories do not hide each other there.
    pub fn of_files<'a>(files: impl IntoIterator<Item = &'a Arc<SourceFile>>) -> Config {
        let mut config = Config::default();
        for file in files {
            config.parse(file);
        }
        config
    }

    /// Reads one file.
    pub fn parse(&mut self, file: &Arc<SourceFile>) {
        for (number, line) in logical_lines(&file.text) {
            if line.starts_with('#') {
                continue;
            }
            let (command, rest) = word(&line);
            let (name, rest) = word(rest);
            let name = underscores(name);
            let entry = Line {
                name: name.clone(),
                rest: rest.to_owned(),
                origin: Some(Origin::line(file, number)),
            };
            match command {
                "blacklist" if !name.is_empty() => self.blacklists.push(entry),
                _ if name.is_empty() || rest.is_empty() => {}
                "alias" => self.aliases.push(Line {
                    rest: underscores(word(rest).0),
                    ..entry
                }),
                "install" => self.installs.push(entry),
                "options" => self.options.push(Line {
                    rest: rest.replace('\t', " "),
                    ..entry
                }),
                "softdep" => self.softdeps.push(softdep(name, rest)),
                _ => {}
            }
        }
    }

    /// `modprobe.blacklist=a,b` and `module.option=value` words.
    fn take_cmdline(&mut self, cmdline: Option<&CmdlineFacts>) {
        for word in cmdline.into_iter().flat_map(|c| &c.words) {
            let Some((module, option)) = word.key.split_once('.') else {
                continue;
            };
            let value = word.value.as_deref().unwrap_or_default();
            let line = |name: &str, rest: String| Line {
                name: name.to_owned(),
                rest,
                origin: None,
            };
            if module == "modprobe" && option == "blacklist" {
                let names = value.split(',').filter(|n| !n.is_empty());
                self.blacklists
                    .extend(names.map(|name| line(name, String::new())));
            } else if word.value.is_some() {
                let option = format!("{option}={value}");
                self.options.push(line(&underscores(module), option));
            }
        }
    }
}

/// Files by base name; an earlier directory hides a later one's, also by a link to `/dev/null`.
pub fn files(
    fs: &dyn FileSystem,
    directories: &[&str],
    endings: &[&str],
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for dir in directories {
        let Ok(entries) = fs.read_dir(dir) else {
            continue;
        };
        for entry in entries.into_iter().take(MAX_FILES) {
            let name = entry.name;
            let wanted = !name.starts_with('.') && endings.iter().any(|e| name.ends_with(e));
            if wanted {
                let path = format!("{dir}/{name}");
                found.entry(name).or_insert(path);
            }
        }
    }
    found
}

/// Lines with their 1-based numbers; a backslash at the end joins the next one.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    for (line, number) in text.lines().zip(1u32..) {
        let joined = open;
        let (line, more) = match line.strip_suffix('\\') {
            Some(line) => (line, true),
            None => (line, false),
        };
        open = more;
        match lines.last_mut() {
            Some((_, last)) if joined => last.push_str(line),
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

/// The first word, and what follows it without leading blanks.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches([' ', '\t']))
}

/// Dashes become underscores outside of brackets (`underscores` of kmod).
pub fn underscores(text: &str) -> String {
    let mut bracket = false;
    let fold = |c| {
        match c {
            '[' => bracket = true,
            ']' => bracket = false,
            '-' if !bracket => return '_',
            _ => {}
        }
        c
    };
    text.chars().map(fold).collect()
}

fn softdep(name: String, rest: &str) -> SoftDependency {
    let mut found = SoftDependency {
        name,
        ..SoftDependency::default()
    };
    let mut list: Option<&mut Vec<String>> = None;
    for word in rest.split_whitespace() {
        match (word, &mut list) {
            ("pre:", _) => list = Some(&mut found.pre),
            ("post:", _) => list = Some(&mut found.post),
            (word, Some(list)) => list.push(word.to_owned()),
            (_, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::cmdline;
    use crate::inspect::filesystem::directory::DirectoryFs;

    fn parse(text: &str) -> Config {
        Config::of_files(&[Arc::new(SourceFile {
            partition: "p2".into(),
            path: "/etc/modprobe.d/a.conf".into(),
            text: text.into(),
        })])
    }

    #[test]
    fn lines_are_read_as_kmod_reads_them() {
        let config = parse(
            "# c\n blacklist virtio-console\ninstall a-b /bin/true  x\nalias net-pf-3 off\noptions x a=1\tb=2\n\
             softdep s pre: a b post: c-d\nblacklist\ninstall x\noptions y \\\n z=1\nremove q r\n",
        );
        let told = |lines: &[Line]| {
            let tell = |l: &Line| {
                (
                    l.name.clone(),
                    l.rest.clone(),
                    l.origin.as_ref().unwrap().line,
                )
            };
            lines.iter().map(tell).collect::<Vec<_>>()
        };
        let s = String::from;
        assert_eq!(
            told(&config.blacklists),
            [(s("virtio_console"), s(""), Some(2))]
        );
        assert_eq!(
            told(&config.installs),
            [(s("a_b"), s("/bin/true  x"), Some(3))]
        );
        assert_eq!(told(&config.aliases), [(s("net_pf_3"), s("off"), Some(4))]);
        assert_eq!(
            told(&config.options),
            [(s("x"), s("a=1 b=2"), Some(5)), (s("y"), s("z=1"), Some(9))]
        );
        let softdep = &config.softdeps[0];
        assert_eq!((softdep.pre.len(), softdep.post.len()), (2, 1));
        assert_eq!(underscores("a-b[c-d]-e"), "a_b[c-d]_e");
    }

    #[test]
    fn files_of_the_same_name_hide_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("etc/modprobe.d/a.conf", "blacklist one\n");
        put("usr/lib/modprobe.d/a.conf", "blacklist two\n");
        put("usr/lib/modprobe.d/b.conf", "blacklist three\n");
        put("usr/lib/modprobe.d/ignored.txt", "blacklist four\n");
        put("lib/modules/6/modules.softdep", "softdep x pre: y\n");
        let masked = dir.path().join("etc/modprobe.d/c.conf");
        std::os::unix::fs::symlink("/dev/null", masked).unwrap();
        put("usr/lib/modprobe.d/c.conf", "blacklist five\n");
        let fs = DirectoryFs::new(dir.path(), "p2");
        let words = cmdline::parse("modprobe.blacklist=p,q virtio_blk.queue_depth=3 quiet", &[]);
        let config = Config::read(&fs, "/lib/modules/6", Some(&words));
        let names: Vec<_> = config.blacklists.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(names, ["one", "three", "p", "q"]);
        assert_eq!(config.softdeps.len(), 1);
        assert_eq!(config.options[0].rest, "queue_depth=3");
    }
}
