//! The HTML pages and the drawing: self-contained, escaped, and shown by a browser.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking and print what they saw"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

fn doctor(arguments: &[&str]) -> i32 {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("isar-doctor"));
    command
        .args(arguments)
        .output()
        .unwrap()
        .status
        .code()
        .unwrap()
}

fn recording(name: &str) -> String {
    format!("{}/tests/recordings/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The page of a boot in a directory of its own.
fn boot_page(dir: &Path) -> PathBuf {
    let page = dir.join("boot.html");
    let svg = dir.join("boot.svg");
    let (html, drawing) = (page.to_str().unwrap(), svg.to_str().unwrap());
    assert_eq!(
        doctor(&[
            "replay",
            &recording("race"),
            "--html",
            html,
            "--svg",
            drawing
        ]),
        1
    );
    page
}

fn inspect_page(dir: &Path) -> PathBuf {
    let page = dir.join("inspect.html");
    let image = common::image("race");
    assert_eq!(
        doctor(&[
            "inspect",
            image.to_str().unwrap(),
            "--html",
            page.to_str().unwrap()
        ]),
        1
    );
    page
}

/// No address of anything outside the file, and a policy that forbids to load it.
fn is_self_contained(page: &str) {
    assert!(page.contains("default-src 'none'"));
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(
            !page.contains(outside)
                || outside == "http:"
                    && page.matches("http:").count()
                        == page.matches("http://www.w3.org/2000/svg").count(),
            "{outside}"
        );
    }
}

#[test]
fn pages_are_self_contained() {
    let dir = tempfile::tempdir().unwrap();
    let boot = std::fs::read_to_string(boot_page(dir.path())).unwrap();
    is_self_contained(&boot);
    assert!(boot.contains("Stopped at unit · condition-path-exists"));
    let inspect = std::fs::read_to_string(inspect_page(dir.path())).unwrap();
    is_self_contained(&inspect);
    assert!(inspect.contains("id=\"backdoor-device-not-pulled-in\""));
    let svg = std::fs::read_to_string(dir.path().join("boot.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("kernel-log"));
}

/// What the browser's DOM holds after the scripts have run.
fn dom(page: &Path, more: &[&str]) -> String {
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--virtual-time-budget=3000",
            "--enable-logging=stderr",
            "--dump-dom",
        ])
        .args(more)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium; scripts/setup-browser installs it");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!log.contains("CONSOLE"), "{log}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "needs a browser (scripts/setup-browser): make test-full"]
fn a_browser_shows_them() {
    let dir = tempfile::tempdir().unwrap();
    let boot = boot_page(dir.path());
    let shown = dom(&boot, &[]);
    // The rows that the script made, the one that is evidence among them.
    let rows = shown.matches("<div class=\"mono").count();
    println!("{rows} lines of the timeline");
    assert!(rows > 200);
    assert!(shown.contains("class=\"mono key\""));
    assert!(shown.contains("was skipped because of an unmet condition check"));
    let inspect = dom(&inspect_page(dir.path()), &[]);
    assert!(inspect.contains("nothing makes it wait for the device"));
    for scheme in ["0", "1"] {
        let picture = dir.path().join(format!("{scheme}.png"));
        let setting = format!("--blink-settings=preferredColorScheme={scheme}");
        let shot = format!("--screenshot={}", picture.display());
        dom(&boot, &[&setting, &shot, "--window-size=1180,1600"]);
        assert!(
            std::fs::metadata(&picture).unwrap().len() > 20_000,
            "{scheme}"
        );
    }
}

/// A user's hands: wheel, double click, a source switched off, words to find. The lines below the plot follow.
const HANDS: &str = r##"<script>
const count = () => document.getElementById("lines").children.length, said = [count()];
const at = plot.getBoundingClientRect();
const wheel = { deltaY: -1, clientX: at.left + at.width / 2, clientY: at.top + at.height / 2, cancelable: true };
for (let n = 0; n < 8; n++) plot.dispatchEvent(new WheelEvent("wheel", wheel));
said.push(count());
plot.dispatchEvent(new MouseEvent("dblclick"));
said.push(count());
document.querySelector("#sources input").click();
said.push(count());
document.querySelector("#sources input").click();
find.value = "UNMET CONDITION"; find.dispatchEvent(new Event("input"));
said.push(count());
document.title = "lines " + said.join(" ");
</script></html>"##;

#[test]
#[ignore = "needs a browser (scripts/setup-browser): make test-full"]
fn the_timeline_zooms_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let page = boot_page(dir.path());
    let text = std::fs::read_to_string(&page).unwrap();
    std::fs::write(&page, text.replace("</html>", HANDS)).unwrap();
    let shown = dom(&page, &["--window-size=1180,1600"]);
    let title = shown.split_once("<title>lines ").unwrap().1;
    let counts: Vec<usize> = title
        .split_once("</title>")
        .unwrap()
        .0
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    let [all, zoomed, back, without_one, found] = counts[..] else {
        panic!("{counts:?}");
    };
    println!("{counts:?}");
    assert!(zoomed < all / 2, "{counts:?}");
    assert_eq!(back, all);
    assert!(without_one < all, "{counts:?}");
    assert!((1..10).contains(&found), "{counts:?}");
}

/// A log line is hostile: it must not become markup, nor end the script's data.
#[test]
#[ignore = "needs a browser (scripts/setup-browser): make test-full"]
fn hostile_lines_stay_text() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("console.log");
    std::fs::write(&log, "[    1.000000] </script><script>document.title='owned'</script><img src=x onerror=alert(1)>\n").unwrap();
    let page = dir.path().join("log.html");
    doctor(&[
        "log",
        log.to_str().unwrap(),
        "--html",
        page.to_str().unwrap(),
    ]);
    let shown = dom(&page, &[]);
    assert!(!shown.contains("<title>owned"), "{shown}");
    assert!(!shown.contains("<img"), "{shown}");
    assert!(shown.contains("&lt;/script&gt;"), "{shown}");
}
