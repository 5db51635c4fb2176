//! `%` specifiers in unit files (systemd.unit(5), "Specifiers").

use super::name;
use crate::inspect::filesystem::{CONFIG_CAP, FileSystem};

/// Longest expansion (`LONG_LINE_MAX`).
const EXPANSION_MAX: usize = 1 << 20;

/// What specifiers say about the system.
#[derive(Debug, Clone, Default)]
pub struct Host {
    hostname: Option<String>,
    pretty_hostname: Option<String>,
    machine_id: Option<String>,
    os_release: Vec<(String, String)>,
    kernel_release: Option<String>,
}

impl Host {
    /// Reads hostname, machine-id and os-release of the image.
    pub fn read(fs: &dyn FileSystem, kernel_release: Option<&str>) -> Self {
        let text = |path: &str| {
            let bytes = fs.read(path, CONFIG_CAP).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let first = |path: &str| {
            let text = text(path)?;
            let line = text
                .lines()
                .map(str::trim)
                .find(|l| !l.is_empty() && !l.starts_with('#'))?;
            Some(line.to_owned())
        };
        let os_release = text("/etc/os-release").or_else(|| text("/usr/lib/os-release"));
        Host {
            hostname: first("/etc/hostname"),
            pretty_hostname: text("/etc/machine-info")
                .and_then(|t| {
                    variables(&t)
                        .into_iter()
                        .find(|(k, _)| k == "PRETTY_HOSTNAME")
                })
                .map(|(_, value)| value),
            machine_id: first("/etc/machine-id"),
            os_release: os_release.map(|t| variables(&t)).unwrap_or_default(),
            kernel_release: kernel_release.map(str::to_owned),
        }
    }

    /// Expansion of a specifier about the system; `None` when it is not known offline.
    fn expand(&self, specifier: char) -> Option<String> {
        let os = |key: &str| {
            let found = self.os_release.iter().find(|(k, _)| k == key);
            Some(found.map(|(_, v)| v.clone()).unwrap_or_default())
        };
        match specifier {
            'A' => os("IMAGE_VERSION"),
            'B' => os("BUILD_ID"),
            'M' => os("IMAGE_ID"),
            'o' => os("ID"),
            'w' => os("VERSION_ID"),
            'W' => os("VARIANT_ID"),
            'H' => self.hostname.clone(),
            'l' => Some(self.hostname.as_deref()?.split('.').next()?.to_owned()),
            'q' => self
                .pretty_hostname
                .clone()
                .or_else(|| self.hostname.clone()),
            'm' => self.machine_id.clone(),
            'v' => self.kernel_release.clone(),
            _ => None,
        }
    }
}

/// `KEY=value` lines with shell quotes, as in os-release.
fn variables(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let (key, value) = line.trim().split_once('=')?;
            let value = value.trim();
            let quoted = ['"', '\'']
                .iter()
                .find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
            Some((key.to_owned(), quoted.unwrap_or(value).to_owned()))
        })
        .collect()
}

/// Which specifiers a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Those safe in unit names.
    Name,
    /// All.
    Full,
}

/// Who is asking.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Name of the unit.
    pub unit: &'a str,
    /// Path of its fragment.
    pub fragment: Option<&'a str>,
    /// The system.
    pub host: &'a Host,
}

/// Expands the specifiers of a text. `Err` holds the character that is none. What cannot be known offline (the boot id) stays as it is.
pub fn expand(text: &str, table: Table, context: Context) -> Result<String, char> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
        } else {
            match chars.next() {
                None | Some('%') => out.push('%'),
                Some(s) if !s.is_ascii_alphanumeric() => {
                    out.push('%');
                    out.push(s);
                }
                Some(s) => out.push_str(&one(s, table, context)?),
            }
        }
        if out.len() > EXPANSION_MAX {
            return Err('%');
        }
    }
    Ok(out)
}

fn one(specifier: char, table: Table, context: Context) -> Result<String, char> {
    let unit = context.unit;
    let prefix = || name::prefix(unit).to_owned();
    let last = || {
        let prefix = name::prefix(unit);
        prefix
            .rsplit_once('-')
            .map_or(prefix, |(_, last)| last)
            .to_owned()
    };
    let unescape = |text: &str| name::unescape(text).ok_or(specifier);
    let instance = name::instance(unit).unwrap_or_default();
    let common = match specifier {
        'i' => Some(instance.to_owned()),
        'j' => Some(last()),
        'n' => Some(unit.to_owned()),
        'N' => Some(name::stem(unit).to_owned()),
        'p' => Some(prefix()),
        'u' | 'g' => Some("root".into()),
        'U' | 'G' => Some("0".into()),
        'a' | 'b' => Some(format!("%{specifier}")),
        'A' | 'B' | 'H' | 'l' | 'm' | 'M' | 'o' | 'q' | 'v' | 'w' | 'W' => {
            let known = context.host.expand(specifier);
            Some(known.unwrap_or_else(|| format!("%{specifier}")))
        }
        _ => None,
    };
    if let Some(text) = common {
        return Ok(text);
    }
    if table == Table::Name {
        return Err(specifier);
    }
    let fragment = context.fragment.unwrap_or_default();
    Ok(match specifier {
        'I' => unescape(instance)?,
        'J' => unescape(&last())?,
        'P' => unescape(&prefix())?,
        'f' if instance.is_empty() => name::to_path(unit).ok_or(specifier)?,
        'f' => name::unescape_path(instance).ok_or(specifier)?,
        'y' => fragment.to_owned(),
        'Y' => fragment
            .rsplit_once('/')
            .map_or("", |(dir, _)| dir)
            .to_owned(),
        'C' => "/var/cache".into(),
        'E' => "/etc".into(),
        'L' => "/var/log".into(),
        'S' => "/var/lib".into(),
        't' => "/run".into(),
        'T' => "/tmp".into(),
        'V' => "/var/tmp".into(),
        'd' => format!("/run/credentials/{unit}"),
        'h' => "/root".into(),
        's' => "/bin/sh".into(),
        'c' | 'r' | 'R' => format!("%{specifier}"),
        _ => return Err(specifier),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(text: &str, unit: &str) -> Result<String, char> {
        let host = Host {
            hostname: Some("box.example".into()),
            os_release: variables("ID=debian\nVERSION_ID=\"12\"\n"),
            ..Host::default()
        };
        let context = Context {
            unit,
            fragment: Some("/usr/lib/systemd/system/x.service"),
            host: &host,
        };
        expand(text, Table::Full, context)
    }

    #[test]
    fn unit_parts() {
        let unit = "a-b@dev-hvc0.service";
        assert_eq!(
            full("%n %N %p %i %j", unit).unwrap(),
            "a-b@dev-hvc0.service a-b@dev-hvc0 a-b dev-hvc0 b"
        );
        assert_eq!(full("%I %f %P", unit).unwrap(), "dev/hvc0 /dev/hvc0 a/b");
        assert_eq!(
            full("%i.device 100%% 5%", unit).unwrap(),
            "dev-hvc0.device 100% 5%"
        );
        assert_eq!(full("%-3d", unit).unwrap(), "%-3d");
    }

    #[test]
    fn system() {
        assert_eq!(
            full("%H %l %o%w %b %t%Y", "x.service").unwrap(),
            "box.example box debian12 %b /run/usr/lib/systemd/system"
        );
        assert_eq!(full("%z", "x.service"), Err('z'));
        assert_eq!(full("%f", "x--y.service"), Err('f'));
    }

    #[test]
    fn names_take_fewer() {
        let host = Host::default();
        let context = Context {
            unit: "a@b.service",
            fragment: None,
            host: &host,
        };
        assert_eq!(
            expand("x@%i.service", Table::Name, context).unwrap(),
            "x@b.service"
        );
        assert_eq!(expand("%I", Table::Name, context), Err('I'));
    }
}
