//! Unit names: types, templates, instances, escaping (systemd.unit(5), "String escaping for inclusion in unit names").

/// Longest unit name, terminating NUL included (`UNIT_NAME_MAX`).
const NAME_MAX: usize = 256;

/// Type of a unit, by its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum UnitType {
    Service,
    Mount,
    Swap,
    Socket,
    Target,
    Device,
    Automount,
    Timer,
    Path,
    Slice,
    Scope,
}

impl UnitType {
    /// The type with this suffix (without the dot).
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        use UnitType::*;
        Some(match suffix {
            "service" => Service,
            "mount" => Mount,
            "swap" => Swap,
            "socket" => Socket,
            "target" => Target,
            "device" => Device,
            "automount" => Automount,
            "timer" => Timer,
            "path" => Path,
            "slice" => Slice,
            "scope" => Scope,
            _ => return None,
        })
    }
    /// The suffix without the dot.
    pub fn suffix(self) -> &'static str {
        use UnitType::*;
        match self {
            Service => "service",
            Mount => "mount",
            Swap => "swap",
            Socket => "socket",
            Target => "target",
            Device => "device",
            Automount => "automount",
            Timer => "timer",
            Path => "path",
            Slice => "slice",
            Scope => "scope",
        }
    }
    /// Name of the section of its own in a unit file, when it has one that systemd reads.
    pub fn section(self) -> Option<&'static str> {
        use UnitType::*;
        Some(match self {
            Service => "Service",
            Mount => "Mount",
            Swap => "Swap",
            Socket => "Socket",
            Automount => "Automount",
            Timer => "Timer",
            Path => "Path",
            Slice => "Slice",
            Scope => "Scope",
            Target | Device => return None,
        })
    }
    /// A symbolic link may give it another name.
    pub fn may_alias(self) -> bool {
        use UnitType::*;
        matches!(self, Service | Socket | Target | Device | Timer | Path)
    }
    /// It may be a template.
    pub fn may_template(self) -> bool {
        use UnitType::*;
        matches!(self, Service | Socket | Target | Timer | Path)
    }
    /// It has a control group, and so a slice.
    pub fn has_cgroup(self) -> bool {
        use UnitType::*;
        matches!(self, Service | Mount | Swap | Socket | Slice | Scope)
    }
}

/// What a valid unit name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// `foo.service`
    Plain,
    /// `foo@.service`
    Template,
    /// `foo@bar.service`
    Instance,
}

fn valid_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_' | '.' | '\\' | '@')
}

/// Kind of a valid unit name; `None` for anything else.
pub fn kind(name: &str) -> Option<NameKind> {
    if name.len() >= NAME_MAX {
        return None;
    }
    let (stem, suffix) = name.rsplit_once('.')?;
    UnitType::from_suffix(suffix)?;
    if stem.is_empty() || !stem.chars().all(valid_char) {
        return None;
    }
    match stem.find('@') {
        None => Some(NameKind::Plain),
        Some(0) => None,
        Some(at) if at + 1 == stem.len() => Some(NameKind::Template),
        Some(_) => Some(NameKind::Instance),
    }
}

/// Type of a valid unit name.
pub fn unit_type(name: &str) -> Option<UnitType> {
    kind(name)?;
    UnitType::from_suffix(name.rsplit_once('.')?.1)
}

/// Part before `@`, or before the suffix (`%p`).
pub fn prefix(name: &str) -> &str {
    let stem = stem(name);
    stem.split_once('@').map_or(stem, |(prefix, _)| prefix)
}

/// Name without the suffix (`%N`).
pub fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Instance of an instance name; empty for a template, `None` for a plain name.
pub fn instance(name: &str) -> Option<&str> {
    Some(stem(name).split_once('@')?.1)
}

/// `foo@.service` of `foo@bar.service` (or of itself); `None` for a plain name.
pub fn template(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    Some(format!("{prefix}@.{}", rest.rsplit_once('.')?.1))
}

/// A template or instance with another instance; `None` when the result is no valid name.
pub fn with_instance(name: &str, instance: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let result = format!("{prefix}@{instance}.{}", rest.rsplit_once('.')?.1);
    (kind(&result) == Some(NameKind::Instance)).then_some(result)
}

/// The same stem with another type's suffix; `None` when the result is no valid name.
pub fn with_type(name: &str, unit_type: UnitType) -> Option<String> {
    let result = format!("{}.{}", stem(name), unit_type.suffix());
    kind(&result).map(|_| result)
}

/// Escapes a string for use in a unit name (`systemd-escape`).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'/' => out.push('-'),
            b'.' if index == 0 => out.push_str("\\x2e"),
            b'-' | b'\\' | b'@' => out.push_str(&format!("\\x{byte:02x}")),
            _ if valid_char(byte as char) => out.push(byte as char),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// Undoes [`escape`]; `None` on a malformed escape.
pub fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'-' => out.push(b'/'),
            b'\\' => {
                let digits = tail.strip_prefix(b"x")?.get(..2)?;
                let digits = std::str::from_utf8(digits).ok()?;
                if !digits.bytes().all(|d| d.is_ascii_hexdigit()) {
                    return None;
                }
                out.push(u8::from_str_radix(digits, 16).ok()?);
                rest = tail.get(3..)?;
            }
            _ => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

/// Removes `.` components, double and trailing slashes (`path_simplify`).
pub fn simplify_path(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for part in path.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if !out.is_empty() || path.starts_with('/') {
            out.push('/');
        }
        out.push_str(part);
    }
    if out.is_empty() && path.starts_with('/') {
        out.push('/');
    }
    out
}

/// No `..` component (`path_is_normalized`, after simplification).
pub fn is_normalized(path: &str) -> bool {
    path.len() < 4096 && path.split('/').all(|part| part != "..")
}

/// Escapes a path for use as a unit name (`systemd-escape --path`).
pub fn escape_path(path: &str) -> Option<String> {
    let path = simplify_path(path);
    if path.is_empty() || path == "/" {
        return Some("-".into());
    }
    if !is_normalized(&path) {
        return None;
    }
    Some(escape(path.trim_matches('/')))
}

/// Unit name of a path (`/dev/hvc0` → `dev-hvc0.device`). A name too long to be valid, which systemd would hash, gives `None`.
pub fn from_path(path: &str, unit_type: UnitType) -> Option<String> {
    let name = format!("{}.{}", escape_path(path)?, unit_type.suffix());
    (kind(&name) == Some(NameKind::Plain)).then_some(name)
}

/// Path that a unit name stands for (`dev-hvc0.device` → `/dev/hvc0`).
pub fn to_path(name: &str) -> Option<String> {
    unescape_path(prefix(name))
}

/// Undoes [`escape_path`].
pub fn unescape_path(escaped: &str) -> Option<String> {
    if escaped.is_empty() {
        return None;
    }
    if escaped == "-" {
        return Some("/".into());
    }
    let path = unescape(escaped)?;
    if path.starts_with('/') || path.ends_with('/') {
        return None;
    }
    let path = format!("/{path}");
    let simple = path
        .split('/')
        .skip(1)
        .all(|part| !matches!(part, "" | "." | ".."));
    simple.then_some(path)
}

/// Makes a unit name of what a user wrote (`systemd.wants=`, `x-systemd.requires=`): paths become device or mount units, other
/// text is escaped and gets the suffix.
pub fn mangle(text: &str, default: UnitType) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    if kind(text).is_some() {
        return Some(text.to_owned());
    }
    if text.starts_with('/') {
        let path = simplify_path(text);
        let unit_type = if is_device_path(&path) {
            UnitType::Device
        } else {
            UnitType::Mount
        };
        if let Some(name) = from_path(&path, unit_type) {
            return Some(name);
        }
    }
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'/' => name.push('-'),
            _ if valid_char(byte as char) => name.push(byte as char),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if unit_type(&name).is_none() {
        name.push('.');
        name.push_str(default.suffix());
    }
    kind(&name).map(|_| name)
}

/// A path below `/dev` or `/sys` (`is_device_path`).
pub fn is_device_path(path: &str) -> bool {
    ["/dev/", "/sys/"]
        .iter()
        .any(|root| path.len() > root.len() && path.starts_with(root))
}

/// Parent slice of a slice; `Some(None)` for the root slice, `None` when the name is no valid slice name.
pub fn parent_slice(slice: &str) -> Option<Option<String>> {
    if slice == "-.slice" {
        return Some(None);
    }
    let name = slice.strip_suffix(".slice")?;
    let valid = kind(slice) == Some(NameKind::Plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if !valid {
        return None;
    }
    Some(Some(match name.rsplit_once('-') {
        Some((parent, _)) => format!("{parent}.slice"),
        None => "-.slice".into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        assert_eq!(kind("foo.service"), Some(NameKind::Plain));
        assert_eq!(kind("foo@.service"), Some(NameKind::Template));
        assert_eq!(kind("foo@a@b.service"), Some(NameKind::Instance));
        for bad in [
            "",
            "foo",
            ".service",
            "@.service",
            "@a.service",
            "a b.service",
            "foo.conf",
            "ü.service",
        ] {
            assert_eq!(kind(bad), None, "{bad}");
        }
        assert_eq!(
            kind(&format!("{}.service", "a".repeat(247))),
            Some(NameKind::Plain)
        );
        assert_eq!(kind(&format!("{}.service", "a".repeat(248))), None);
    }

    #[test]
    fn parts() {
        assert_eq!(prefix("a-b@c.d.service"), "a-b");
        assert_eq!(instance("a@c.d.service"), Some("c.d"));
        assert_eq!(template("a@c.d.service").as_deref(), Some("a@.service"));
        assert_eq!(
            with_instance("a@.service", "x").as_deref(),
            Some("a@x.service")
        );
        assert_eq!(with_instance("a@.service", ""), None);
        assert_eq!(
            with_type("a.socket", UnitType::Service).as_deref(),
            Some("a.service")
        );
    }

    #[test]
    fn paths() {
        assert_eq!(
            from_path("/dev/hvc0", UnitType::Device).as_deref(),
            Some("dev-hvc0.device")
        );
        assert_eq!(
            from_path("/dev/disk/by-partuuid/0e2b-1", UnitType::Device).as_deref(),
            Some("dev-disk-by\\x2dpartuuid-0e2b\\x2d1.device")
        );
        assert_eq!(from_path("/", UnitType::Mount).as_deref(), Some("-.mount"));
        assert_eq!(
            from_path("//boot//efi/", UnitType::Mount).as_deref(),
            Some("boot-efi.mount")
        );
        assert_eq!(from_path("/a/../b", UnitType::Mount), None);
        assert_eq!(
            to_path("dev-disk-by\\x2dlabel-x.device").as_deref(),
            Some("/dev/disk/by-label/x")
        );
        assert_eq!(to_path("-.mount").as_deref(), Some("/"));
        assert_eq!(to_path("a--b.mount"), None);
        assert_eq!(escape(".hidden@x y"), "\\x2ehidden\\x40x\\x20y");
        assert_eq!(unescape("a\\x2"), None);
        assert_eq!(unescape("a\\x+1"), None);
    }

    #[test]
    fn mangled() {
        assert_eq!(
            mangle("/dev/hvc0", UnitType::Service).as_deref(),
            Some("dev-hvc0.device")
        );
        assert_eq!(
            mangle("dev-hvc0.device", UnitType::Service).as_deref(),
            Some("dev-hvc0.device")
        );
        assert_eq!(
            mangle("foo", UnitType::Service).as_deref(),
            Some("foo.service")
        );
        assert_eq!(
            mangle("/var", UnitType::Mount).as_deref(),
            Some("var.mount")
        );
        assert_eq!(
            mangle("a b", UnitType::Service).as_deref(),
            Some("a\\x20b.service")
        );
        assert_eq!(mangle("", UnitType::Service), None);
    }

    #[test]
    fn slices() {
        assert_eq!(parent_slice("a-b.slice"), Some(Some("a.slice".into())));
        assert_eq!(parent_slice("a.slice"), Some(Some("-.slice".into())));
        assert_eq!(parent_slice("-.slice"), Some(None));
        assert_eq!(parent_slice("a--b.slice"), None);
        assert_eq!(parent_slice("-a.slice"), None);
    }
}
