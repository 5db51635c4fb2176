use super::*;

fn shown(text: &str) -> Vec<String> {
    parse(text)
        .iter()
        .map(|c| {
            let words: Vec<String> = c
                .words
                .iter()
                .map(|w| w.plain().unwrap_or_else(|| "?".into()))
                .collect();
            let redirects: Vec<String> = c
                .redirects
                .iter()
                .map(|r| {
                    format!(
                        "{}{:?}:{}",
                        r.fd,
                        r.mode,
                        r.target.plain().unwrap_or_else(|| "?".into()).trim_end()
                    )
                })
                .collect();
            let mut line = format!("{} {}", c.line, words.join(" "));
            for r in redirects {
                line += &format!(" [{r}]");
            }
            line + if c.tested { " tested" } else { "" } + if c.looped { " looped" } else { "" }
        })
        .collect()
}

#[test]
fn commands_words_and_redirections() {
    assert_eq!(
        shown(
            "#!/bin/sh\n# exec > /dev/hvc9\nexec < /dev/hvc0 > '/dev/hvc0' 2>&1 # x\nPS1= exec bash --norc /dev/hvc0\n"
        ),
        [
            "3 exec [0In:/dev/hvc0] [1Out:/dev/hvc0] [2Copy:1]",
            "4 exec bash --norc /dev/hvc0",
        ]
    );
    assert_eq!(
        shown("exec 0<>/dev/hvc1 1>&0\nexec &>/dev/x\ncat >&/dev/y\na\\\n b\n"),
        [
            "1 exec [0InOut:/dev/hvc1] [1Copy:0]",
            "2 exec [1OutAndErr:/dev/x]",
            "3 cat [1OutAndErr:/dev/y]",
            "4 a b",
        ]
    );
}

#[test]
fn conditions_and_loops_surround_commands() {
    assert_eq!(
        shown(
            "while [ ! -e /dev/ttyS0 ]; do sleep 0.1; done\nif ! command -v x; then y || z; fi\n! w\nfor i in 1 2; do a; done\n"
        ),
        [
            "1 [ ! -e /dev/ttyS0 ] tested looped",
            "1 sleep 0.1 looped",
            "2 command -v x tested",
            "2 y tested",
            "2 z",
            "3 w tested",
            "4 a",
        ]
    );
    assert_eq!(
        shown("case $1 in\n a|b) one ;;\n *) two;;\nesac\nf() {\n three\n}\n"),
        ["2 one", "3 two", "6 three"]
    );
}

#[test]
fn here_documents_are_text() {
    assert_eq!(
        shown("cat <<EOF >/dev/x\nline (one\nEOF\necho b <<< word\ncat <<-'E'\n\tc\n\tE\nd\n"),
        [
            "1 cat [0Here:line (one] [1Out:/dev/x]",
            "4 echo b [0Here:word]",
            "5 cat [0Here:c]",
            "8 d",
        ]
    );
}

#[test]
fn known_variables_are_filled_in() {
    let commands = parse("DEV=/dev/hvc0\nexport X=\"$DEV\"\nexec <$DEV >${X} 2>$(tty) 3>${X:-y}\n");
    let mut variables = Variables::new();
    commands[0].assign(&mut variables);
    commands[1].assign(&mut variables);
    let targets: Vec<_> = commands[2]
        .redirects
        .iter()
        .map(|r| r.target.expand(&variables))
        .collect();
    let device = Some("/dev/hvc0".to_owned());
    assert_eq!(targets, [device.clone(), device, None, None]);
}

proptest::proptest! {
    #[test]
    fn anything_is_read_without_panic(text in "[a-z$(){}<>&|;'\"`\\\\ \n=!#0-9-]{0,80}") {
        parse(&text);
    }
}
