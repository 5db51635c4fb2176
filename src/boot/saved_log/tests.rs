use super::*;

fn texts(machine: &Machine) -> Vec<String> {
    let text = |o: &Observation| match &o.event {
        Event::SerialLine { text, .. } => text.clone(),
        other => format!("{other:?}"),
    };
    machine.timeline.iter().map(text).collect()
}

#[test]
fn a_console_with_escapes_and_times() {
    let log = parse(
        b"\x1b[2J\x1b[01;01HBdsDxe: starting Boot0001\r\n[    0.000000] Linux version 6.1\r\n\
          [    2.500000] Run /init as init process\n\x1b[0;1;39mlogin: ",
    );
    assert_eq!(log.form, Form::Console);
    let machine = &log.machines[0];
    assert_eq!(machine.timeline[2].t, 2.5);
    assert_eq!(texts(machine)[0], "BdsDxe: starting Boot0001");
    assert!(matches!(
        machine.timeline.last().unwrap().event,
        Event::SerialLine { partial: true, .. }
    ));
}

#[test]
fn the_drivers_log_of_two_machines() {
    let log = parse(
        b"vm-test-run-dhcp> \x1b[1m\x1b[32mserver_1: waiting for the VM to finish booting\x1b[0m\n\
          vm-test-run-dhcp> server_1: QEMU running (pid 9)\n\
          vm-test-run-dhcp> \x1b[2mserver_1 # BdsDxe: starting Boot0001\x1b[0m\n\
          vm-test-run-dhcp> \x1b[2mdhcp_server # [    0.000000] Linux version 6.12\x1b[0m\n\
          vm-test-run-dhcp> server_1: Guest shell says: b'\\r\\nDebian login: '\n\
          vm-test-run-dhcp> dhcp_server: Guest shell says: b'Spawning backdoor root shell...\\n'\n\
          vm-test-run-dhcp> dhcp_server: connected to guest root shell\n\
          vm-test-run-dhcp> (finished: waiting for the VM to finish booting, in 4.02 seconds)\n\
          vm-test-run-dhcp> dhcp_server: (finished: waiting for unit dnsmasq.service, in 1.02 seconds)\n",
    );
    assert_eq!(log.form, Form::Driver);
    let names: Vec<_> = log
        .machines
        .iter()
        .map(|m| m.name.clone().unwrap())
        .collect();
    assert_eq!(names, ["server_1", "dhcp_server"]);
    let server = &log.machines[0].timeline;
    assert!(server.iter().any(|o| matches!(&o.event, Event::ShellLine { text, partial: true } if text.ends_with("Debian login:"))));
    let dhcp = &log.machines[1].timeline;
    assert!(
        dhcp.iter()
            .any(|o| matches!(o.event, Event::MagicLine { noise: 0, .. }))
    );
    assert!(
        dhcp.iter()
            .any(|o| matches!(o.event, Event::ShellAnswered { .. }))
    );
}

#[test]
fn stamps_of_the_ci_system_are_times() {
    let log = parse(
        b"2026-05-01T12:00:00.500000Z 01O m # BdsDxe: x\n2026-05-01T12:00:03.000000Z 01O m # BdsDxe: y\n",
    );
    let times: Vec<f64> = log.machines[0].timeline.iter().map(|o| o.t).collect();
    assert_eq!(times, [0.0, 2.5]);
}

#[test]
fn a_journal_in_text() {
    let log = parse(
        b"-- Boot 5022aaedb8604252b110d2dada98ec12 --\n2026-11-23T08:30:02+0000 lab kernel: Linux version 6.1\n\
          2026-11-23T08:30:03+0000 lab systemd[1]: Started x.\n2026-11-23T08:30:04+0000 lab systemd[1]: Started y.\n",
    );
    assert_eq!(log.form, Form::Syslog);
    assert_eq!(log.machines[0].timeline.last().unwrap().t, 2.0);
}

#[test]
fn nothing_and_garbage() {
    assert_eq!(parse(b"").machines, []);
    assert_eq!(parse(b"\n \r\n\x1b[2J").machines, []);
    let mut long = vec![0xf0; 100_000];
    long.extend("é".repeat(20_000).bytes());
    assert_eq!(parse(&long).form, Form::Console);
}
