//! Firefox, as far as one test needs it: spoken to by Marionette, the protocol that it understands itself (lengths in
//! decimal digits and a colon, then JSON), so that no other driver has to be there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::process::Process;
use crate::relay::free_address;
use crate::wait;

/// A running Firefox with one tab and a fresh profile. Dropping it kills it.
#[derive(Debug)]
pub struct Firefox {
    wire: Mutex<(TcpStream, u64)>,
    _process: Process,
    _profile: TempDir,
}

/// What it sets beside its own defaults: where to listen, and nothing to greet a person with.
const PREFERENCES: &str = r#"
user_pref("remote.prefs.recommended", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
"#;

impl Firefox {
    /// Starts one. Its log goes into `folder`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn launch(program: &Path, folder: &Path) -> Firefox {
        let profile = TempDir::new().expect("the system has room for a profile");
        let address = free_address();
        let port = address.port();
        let preferences = format!("{PREFERENCES}user_pref(\"marionette.port\", {port});\n");
        std::fs::write(profile.path().join("user.js"), preferences).expect("the profile takes files");
        let mut command = Command::new(program);
        command.args(["--headless", "--marionette", "--no-remote", "--profile"]).arg(profile.path());
        let process = Process::start("Firefox", &mut command, &folder.join("firefox.log"));
        let mut wire = connect(address, &process).await;
        // It says first what it speaks.
        receive(&mut wire).await;
        let firefox = Firefox { wire: Mutex::new((wire, 0)), _process: process, _profile: profile };
        firefox.command("WebDriver:NewSession", json!({})).await;
        firefox
    }

    /// Opens a URL.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(&self, url: &str) {
        self.command("WebDriver:Navigate", json!({ "url": url })).await;
    }

    /// Runs a function body in the page, with `arguments`, and gives what it returns.
    ///
    /// # Panics
    /// When it throws.
    pub async fn script(&self, body: &str, arguments: &[Value]) -> Value {
        let answer =
            self.command("WebDriver:ExecuteScript", json!({ "script": body, "args": arguments })).await;
        answer["value"].clone()
    }

    /// Waits until a function body gives true.
    ///
    /// # Panics
    /// When it never does.
    pub async fn until(&self, what: &str, body: &str, arguments: &[Value]) {
        wait::until(&format!("{what} in Firefox"), async || {
            let value = self.script(body, arguments).await;
            wait::holds(value == true, || format!("it gives {value}"))
        })
        .await;
    }

    async fn command(&self, name: &str, parameters: Value) -> Value {
        let (wire, number) = &mut *self.wire.lock().await;
        *number += 1;
        let command = json!([0, number, name, parameters]).to_string();
        let command = format!("{}:{command}", command.len());
        wire.write_all(command.as_bytes()).await.expect("Firefox listens");
        let answer = receive(wire).await;
        assert!(answer[2].is_null(), "{name}: {}", answer[2]);
        answer[3].clone()
    }
}

async fn connect(address: SocketAddr, process: &Process) -> TcpStream {
    wait::until("Firefox to listen", async || {
        if let Some(status) = process.ended() {
            panic!("Firefox ended with {status}");
        }
        TcpStream::connect(address).await.map_err(|error| error.to_string())
    })
    .await
}

async fn receive(wire: &mut TcpStream) -> Value {
    let mut length = 0;
    loop {
        match wire.read_u8().await.expect("Firefox goes on") {
            b':' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut text = vec![0; length];
    wire.read_exact(&mut text).await.expect("Firefox goes on");
    serde_json::from_slice(&text).expect("Firefox speaks JSON")
}

/// The program.
///
/// # Errors
/// When there is none.
pub fn program() -> Result<PathBuf, String> {
    let named = std::env::var_os("FIREFOX").map(PathBuf::from).filter(|path| path.is_file());
    named.ok_or_else(|| "FIREFOX leads to no Firefox; `cargo xtask test` installs it where it can".to_owned())
}
