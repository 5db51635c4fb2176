//! Mount options as systemd looks at them (`fstab_filter_options`, `fstab_test_yes_no_option`).

/// Options of a comma-separated list; `\,` and `\\` are escapes.
fn options(list: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        let last = all.last_mut();
        match (c, last) {
            (',', _) => all.push(String::new()),
            ('\\', Some(last)) => match chars.peek() {
                Some(',' | '\\') => last.extend(chars.next()),
                _ => last.push('\\'),
            },
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    all
}

/// Whether one of the options is there, with or without a value.
pub fn has(list: &str, names: &[&str]) -> bool {
    options(list).iter().any(|option| {
        names.contains(
            &option
                .split_once('=')
                .map_or(option.as_str(), |(name, _)| name),
        )
    })
}

/// Last value of one of the options; `Some(None)` when it stands without a value.
pub fn last(list: &str, names: &[&str]) -> Option<Option<String>> {
    options(list)
        .iter()
        .rev()
        .find_map(|option| match option.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(Some(value.to_owned())),
            None if names.contains(&option.as_str()) => Some(None),
            _ => None,
        })
}

/// All values of an option.
pub fn values(list: &str, name: &str) -> Vec<String> {
    options(list)
        .iter()
        .filter_map(|option| option.split_once('=').filter(|(n, _)| *n == name))
        .map(|(_, value)| value.to_owned())
        .collect()
}

/// Which of two opposite options stands last; false when neither does.
pub fn yes_no(list: &str, yes: &str, no: &str) -> bool {
    options(list)
        .iter()
        .rev()
        .map(|option| {
            option
                .split_once('=')
                .map_or(option.as_str(), |(name, _)| name)
        })
        .find(|name| *name == yes || *name == no)
        .is_some_and(|name| name == yes)
}

/// The list without some options.
pub fn without(list: &str, names: &[&str]) -> String {
    let keep = |option: &String| {
        !names.contains(
            &option
                .split_once('=')
                .map_or(option.as_str(), |(name, _)| name),
        )
    };
    options(list)
        .into_iter()
        .filter(keep)
        .collect::<Vec<_>>()
        .join(",")
}

/// A file system type that needs the network.
pub fn is_network_type(fs_type: &str) -> bool {
    let fs_type = fs_type.strip_prefix("fuse.").unwrap_or(fs_type);
    matches!(
        fs_type,
        "afs"
            | "ceph"
            | "cifs"
            | "gfs"
            | "gfs2"
            | "ncp"
            | "ncpfs"
            | "nfs"
            | "nfs4"
            | "ocfs2"
            | "orangefs"
            | "pvfs2"
            | "smb3"
            | "smbfs"
            | "davfs"
            | "glusterfs"
            | "lustre"
            | "sshfs"
    )
}

/// A mount that needs the network.
pub fn is_network(fs_type: &str, list: &str) -> bool {
    has(list, &["_netdev"]) || is_network_type(fs_type)
}

/// A bind mount.
pub fn is_bind(fs_type: &str, list: &str) -> bool {
    has(list, &["bind", "rbind"]) || matches!(fs_type, "bind" | "rbind")
}

/// A type whose quotas are checked and switched on from outside (`fstype_needs_quota`).
pub fn needs_quota(fs_type: &str) -> bool {
    matches!(
        fs_type,
        "ext2" | "ext3" | "ext4" | "reiserfs" | "jfs" | "f2fs"
    )
}

/// A mount that is left alone at shutdown, and so has no default dependencies (`fstab_is_extrinsic`).
pub fn is_extrinsic(mount_point: &str, list: &str, version: u32) -> bool {
    let below = |root: &str| {
        mount_point
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    matches!(mount_point, "/" | "/usr" | "/etc")
        || ["/run/initramfs", "/proc", "/sys", "/dev"]
            .iter()
            .any(|root| below(root))
        || (version >= 254 && below("/run/nextroot"))
        || has(list, &["x-initrd.mount"])
}

/// `UUID=…` and its kin as the link that udev makes (`fstab_node_to_udev_node`).
pub fn device_node(spec: &str) -> String {
    for (tag, by) in [
        ("LABEL=", "label"),
        ("UUID=", "uuid"),
        ("PARTUUID=", "partuuid"),
        ("PARTLABEL=", "partlabel"),
    ] {
        if let Some(value) = spec.strip_prefix(tag) {
            let quoted = ['"', '\'']
                .iter()
                .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
            return format!("/dev/disk/by-{by}/{}", encode_node(quoted.unwrap_or(value)));
        }
    }
    spec.to_owned()
}

/// Characters that udev does not allow in the names of links become `\x..` (`encode_devnode_name`).
fn encode_node(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\\' || (c.is_ascii() && !c.is_ascii_alphanumeric() && !"#+-.:=@_".contains(c)) {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert!(has("rw,nofail,x-a=1", &["nofail"]));
        assert!(!has("rw,nofailing", &["nofail"]));
        assert!(has("x-a=1", &["x-a"]));
        assert_eq!(last("a=1,a=2", &["a"]), Some(Some("2".into())));
        assert_eq!(last("a=1,a", &["a"]), Some(None));
        assert_eq!(values("x=1,x=2\\,3,x", "x"), ["1", "2,3"]);
        assert!(yes_no("fail,nofail", "nofail", "fail"));
        assert!(!yes_no("nofail,fail", "nofail", "fail"));
        assert_eq!(without("a,b=1,c", &["b"]), "a,c");
    }

    #[test]
    fn nodes() {
        assert_eq!(device_node("UUID=\"1-2\""), "/dev/disk/by-uuid/1-2");
        assert_eq!(
            device_node("LABEL=a b/c"),
            "/dev/disk/by-label/a\\x20b\\x2fc"
        );
        assert_eq!(device_node("/dev/sda1"), "/dev/sda1");
    }

    #[test]
    fn kinds() {
        assert!(is_extrinsic("/dev/hugepages", "", 252));
        assert!(!is_extrinsic("/device", "", 252));
        assert!(is_network("nfs4", ""));
        assert!(is_bind("none", "rw,bind"));
    }
}
