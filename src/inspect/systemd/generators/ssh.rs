//! `systemd-ssh-generator` (systemd ≥ 256): sockets for sshd, when it is installed.

use super::{NORMAL, Run};
use crate::inspect::systemd::tree::Maker;

/// Where programs are looked for.
const PROGRAMS: &[&str] = &["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"];

pub fn generate(run: &mut Run) {
    if run.switch(&["systemd.ssh_auto"]) == Some(false) {
        return;
    }
    let sshd = PROGRAMS.iter().map(|dir| format!("{dir}/sshd"));
    let Some(sshd) = sshd.into_iter().find(|path| {
        run.tree
            .fs()
            .metadata(path)
            .is_ok_and(|m| m.mode & 0o111 != 0)
    }) else {
        return;
    };
    let maker = Maker {
        name: "ssh-generator",
        why: "sshd is installed".into(),
        origin: None,
    };
    let template = match run.native_unit("sshd@.service") {
        Some(path) => path,
        None => {
            let path = format!("{NORMAL}/sshd-generated@.service");
            let text = format!(
                "[Unit]\nDescription=OpenSSH Per-Connection Server Daemon\n\n[Service]\nExecStart=-{sshd} -i\nStandardInput=socket\n\
                 ImportCredential=ssh.ephemeral-authorized_keys-all\n"
            );
            run.file(&path, text, &maker);
            path
        }
    };
    // A machine without a vsock device gets the local socket only.
    run.overlay.link(
        &format!("{NORMAL}/sshd-unix-local@.service"),
        &template,
        maker.clone(),
    );
    let socket = "[Unit]\nDescription=OpenSSH Server Socket (systemd-ssh-generator, AF_UNIX Local)\n\n\
                  [Socket]\nListenStream=/run/ssh-unix-local/socket\nAccept=yes\n";
    run.file(
        &format!("{NORMAL}/sshd-unix-local.socket"),
        socket.into(),
        &maker,
    );
    run.pull_in(
        NORMAL,
        "sockets.target",
        "wants",
        "sshd-unix-local.socket",
        &maker,
    );
}
