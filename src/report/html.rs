//! One self-contained page: no network, dark and light, everything from the image escaped.

mod boot;
mod inspect;

pub use boot::boot;
pub use inspect::inspect;

use super::safe::safe;

const STYLE: &str = include_str!("html/style.css");

/// Guest text as HTML text or attribute value.
pub fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in safe(raw).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Sentences that may have been broken into lines; what stands between backquotes is code.
fn prose(raw: &str) -> String {
    let words: Vec<&str> = raw.split_whitespace().collect();
    let escaped = text(&words.join(" "));
    let mut out = String::new();
    for (index, piece) in escaped.split('`').enumerate() {
        if index > 0 {
            out.push_str(if index % 2 == 1 { "<code>" } else { "</code>" });
        }
        out.push_str(piece);
    }
    if escaped.matches('`').count() % 2 == 1 {
        out.push_str("</code>");
    }
    out
}

/// A whole page. The policy forbids every request, so that nothing in a log line can make one.
fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        text(title)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_text_cannot_become_markup() {
        assert_eq!(
            text("<script>alert('x')</script>\x1b[0m\"&"),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\\e[0m&quot;&amp;"
        );
        assert_eq!(
            prose("put\n`<a>` there"),
            "put <code>&lt;a&gt;</code> there"
        );
        assert!(page("<b>", "").contains("<title>&lt;b&gt;</title>"));
    }
}
