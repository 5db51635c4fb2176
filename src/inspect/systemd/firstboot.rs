//! What `systemd-firstboot` would ask on the console (systemd-firstboot(1)): only what is asked for by `--prompt-…` and not said by
//! the image.

use super::model::Unit;
use super::tree::Tree;
use crate::inspect::filesystem::FileKind;

/// Questions of the service's command line that the image leaves open.
pub fn questions(tree: &Tree, service: &Unit, version: u32) -> Vec<String> {
    let arguments: Vec<&str> = service
        .exec
        .iter()
        .filter(|e| e.directive == "ExecStart")
        .flat_map(|e| e.arguments.iter().map(String::as_str))
        .collect();
    let asked = |what: &str| {
        arguments.contains(&"--prompt") || arguments.contains(&format!("--prompt-{what}").as_str())
    };
    let given = |what: &str| {
        arguments.iter().any(|a| {
            a.strip_prefix(&format!("--{what}"))
                .is_some_and(|rest| rest.starts_with('='))
        })
    };
    // A dangling link counts as configured too.
    let missing = |path: &str| tree.fs().symlink_metadata(path).is_err();
    // Debian kept its own file for the locale until systemd 257.
    let no_locale =
        missing("/etc/locale.conf") && (version >= 257 || missing("/etc/default/locale"));
    let no_account = missing("/etc/passwd") || missing("/etc/shadow");
    let open = [
        ("locale", no_locale && several_locales(tree)),
        ("keymap", missing("/etc/vconsole.conf") && has_keymaps(tree)),
        ("timezone", missing("/etc/localtime")),
        ("hostname", missing("/etc/hostname")),
        ("root-password", no_account),
        ("root-shell", no_account),
    ];
    open.into_iter()
        .filter(|(what, open)| *open && asked(what) && !given(what))
        .map(|(what, _)| what.to_owned())
        .collect()
}

/// More than one UTF-8 locale is installed; a single one is taken without a question.
fn several_locales(tree: &Tree) -> bool {
    const EMPTY_ARCHIVE: u64 = 4096;
    let archive = tree.fs().metadata("/usr/lib/locale/locale-archive");
    let archived = archive.is_ok_and(|m| m.size > EMPTY_ARCHIVE);
    let directories = tree
        .canonical_dir("/usr/lib/locale")
        .and_then(|dir| tree.list(&dir));
    let utf8 = directories.iter().flat_map(|d| d.iter()).filter(|entry| {
        let name = entry.name.to_ascii_lowercase();
        entry.kind == FileKind::Directory && (name.contains(".utf8") || name.contains(".utf-8"))
    });
    archived || utf8.count() > 1
}

fn has_keymaps(tree: &Tree) -> bool {
    [
        "/usr/share/keymaps",
        "/usr/share/kbd/keymaps",
        "/usr/lib/kbd/keymaps",
        "/usr/share/rc/keymaps",
    ]
    .iter()
    .any(|dir| tree.canonical_dir(dir).is_some())
}
