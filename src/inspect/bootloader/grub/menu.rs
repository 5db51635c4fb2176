//! The menu: which entry boots by default and after how long (`grub-core/normal/menu.c`).

use super::session::{Flow, Item, Loaded, Session};
use crate::inspect::bootloader::{LoaderEntry, LoaderProblem, uki};
use crate::inspect::source::Origin;

/// Entries that are run through, submenus included.
const MAX_ENTRIES: usize = 256;
/// Submenus within one another.
const MAX_DEPTH: usize = 8;

/// The menu as facts.
#[derive(Debug, Default)]
pub struct Menu {
    /// Entries in order, those of submenus behind their title (`Advanced options>Debian, with Linux 6.1`).
    pub entries: Vec<LoaderEntry>,
    /// The one that boots.
    pub selected: Option<usize>,
    /// What the selected entry stumbles over.
    pub problems: Vec<LoaderProblem>,
    /// `default` names an entry.
    pub default_matches: bool,
}

/// Runs every entry to see what it loads.
pub fn read(session: &mut Session<'_>) -> Menu {
    let mut walk = Walk::default();
    let items = std::mem::take(&mut session.menu);
    if items.is_empty() && session.loaded.linux.is_some() {
        // A configuration without a menu that loads a kernel itself.
        let origin = session.loaded.origin.clone();
        let entry = entry(
            "grub.cfg",
            None,
            origin,
            std::mem::take(&mut session.loaded),
        );
        return Menu {
            entries: vec![entry],
            selected: Some(0),
            problems: Vec::new(),
            default_matches: true,
        };
    }
    let wanted = match session.get("default") {
        "saved" => session.get("saved_entry").to_owned(),
        other => other.to_owned(),
    };
    walk.level(session, &items, "", 0, Some(&wanted));
    Menu {
        default_matches: wanted.is_empty() || walk.matched,
        ..walk.menu
    }
}

#[derive(Default)]
struct Walk {
    menu: Menu,
    matched: bool,
}

impl Walk {
    /// One level of the menu. `wanted` is the rest of `default` when this level is on its path.
    fn level(
        &mut self,
        session: &mut Session<'_>,
        items: &[Item],
        above: &str,
        depth: usize,
        wanted: Option<&str>,
    ) {
        let chosen = wanted.map(|wanted| {
            let (index, rest) = choose(items, wanted);
            self.matched |= index.is_some();
            // An entry that is not there means the first one.
            (index.unwrap_or(0), rest)
        });
        for (index, item) in items.iter().enumerate() {
            if self.menu.entries.len() >= MAX_ENTRIES || depth > MAX_DEPTH {
                return;
            }
            let on_path = chosen.filter(|(chosen, _)| *chosen == index);
            let id = format!("{above}{}", item.id);
            let variables = session.variables.clone();
            let problems = std::mem::take(&mut session.problems);
            let lost = session.lost.clone();
            let flow = session.run_entry(item);
            if item.submenu {
                let below = std::mem::take(&mut session.menu);
                let title = format!("{id}>");
                self.level(
                    session,
                    &below,
                    &title,
                    depth + 1,
                    on_path.map(|(_, rest)| rest),
                );
            } else {
                self.entry(session, item, &id, flow, on_path.is_some());
            }
            session.variables = variables;
            session.problems = problems;
            session.lost = lost;
            session.menu.clear();
        }
    }

    fn entry(
        &mut self,
        session: &mut Session<'_>,
        item: &Item,
        id: &str,
        _flow: Flow,
        selected: bool,
    ) {
        let loaded = std::mem::take(&mut session.loaded);
        let origin = Some(item.origin.clone());
        let mut entry = entry(id, Some(item.title.clone()), origin, loaded);
        let mut problems = Vec::new();
        let place = entry.linux.as_ref().and_then(|l| l.file.known());
        let partition = place.and_then(|found| found.location.partition.clone());
        if let Some(Ok(fs)) = partition.map(|id| session.devices.source.open(&id)) {
            uki::adopt(fs.as_ref(), &mut entry, &mut problems);
        }
        if selected {
            self.menu.selected = Some(self.menu.entries.len());
            self.menu.problems = std::mem::take(&mut session.problems);
            self.menu.problems.extend(problems);
        }
        self.menu.entries.push(entry);
    }
}

/// The entry that a `default` value means on this level, and what is left for the level below.
fn choose<'w>(items: &[Item], wanted: &'w str) -> (Option<usize>, &'w str) {
    let (first, rest) = wanted.split_once('>').unwrap_or((wanted, ""));
    let by_name = |name: &str| items.iter().position(|i| i.title == name || i.id == name);
    if let Some(index) = by_name(wanted) {
        return (Some(index), "");
    }
    if let Ok(index) = first.trim().parse::<usize>() {
        return (Some(index).filter(|i| *i < items.len()), rest);
    }
    (by_name(first), rest)
}

fn entry(id: &str, title: Option<String>, origin: Option<Origin>, loaded: Loaded) -> LoaderEntry {
    LoaderEntry {
        id: id.to_owned(),
        title,
        origin,
        linux: loaded.linux,
        initrds: loaded.initrds,
        options: loaded.options,
        options_origin: loaded.origin.into_iter().collect(),
        tries: None,
        architecture: None,
        skipped: None,
    }
}
