//! `cargo xtask run`: builds the product, starts the relay on loopback and ends it as cleanly as it was asked to. The
//! relay itself says when it is ready.
//!
//! Ctrl-C reaches the relay from the terminal as well; SIGTERM reaches only us and is handed on. A second signal is too:
//! what it means is the relay's decision.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::args::{Args, Usage};
use crate::page;
use crate::setup::PageTools;
use crate::workspace::Workspace;

/// How often signals and the relay's end are looked at.
const TICK: Duration = Duration::from_millis(50);

/// `cargo xtask run [--port 8080] [--data DIR]`.
pub(crate) fn command(ws: &Workspace, mut args: Args) -> Result<ExitCode> {
    let port = args.option::<u16>("--port", "a port number such as 8080")?.unwrap_or(8080);
    let data = args.option::<PathBuf>("--data", "a directory")?;
    args.finish()?;
    if port == 0 {
        return Err(Usage("--port 0: expected a port number such as 8080".into()).into());
    }
    // In the checkout, so that two checkouts never share it, and not in `target`, which `cargo clean` removes.
    let data = std::path::absolute(data.unwrap_or_else(|| ws.root().join(".chanterelle")))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));

    // Asked before minutes of building, too; a foreign server's answer must not pass for the relay's.
    ensure_free(address)?;
    page::build_product(ws, &PageTools::prepare(ws)?)?;
    ensure_free(address)?;

    // Before the relay starts, so that no signal can fall between the two.
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let mut relay = Command::new(ws.relay_binary());
    relay.args(["serve", "--listen"]).arg(address.to_string()).arg("--data").arg(&data);
    eprintln!("$ chanterelle serve --listen {address} --data {}", data.display());
    let mut relay = relay.spawn().with_context(|| format!("cannot start {}", ws.relay_binary().display()))?;
    let watched = watch(&mut relay, &mut signals);
    if watched.is_err() {
        // Nobody would end it otherwise; it may have ended by itself.
        let _ = relay.kill();
        let _ = relay.wait();
    }
    watched
}

fn ensure_free(address: SocketAddr) -> Result<()> {
    if let Err(error) = TcpListener::bind(address) {
        bail!("cannot listen on {address}: {error}; choose another port with --port");
    }
    Ok(())
}

fn watch(relay: &mut Child, signals: &mut Signals) -> Result<ExitCode> {
    let pid = i32::try_from(relay.id()).ok().and_then(Pid::from_raw).context("the relay has a process id")?;
    let mut asked_to_end = false;
    loop {
        // Looked at first: a signal to the whole group ends the relay too. It is not waited for yet, so its id is its own.
        for signal in signals.pending() {
            asked_to_end = true;
            rustix::process::kill_process(pid, if signal == SIGINT { Signal::INT } else { Signal::TERM })?;
        }
        if let Some(status) = relay.try_wait()? {
            if status.success() || asked_to_end && status.code().is_none() {
                return Ok(ExitCode::SUCCESS);
            }
            bail!("the relay ended ({status})");
        }
        thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_port_is_named() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let error = ensure_free(listener.local_addr().unwrap()).unwrap_err().to_string();
        assert!(error.contains("--port"), "{error}");
    }
}
