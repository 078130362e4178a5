//! The connection to one machine: whose key it is, who we are, and commands over it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{self, Handle};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Disconnect};

use crate::config::sources::SshSource;
use crate::source::SourceError;

/// How long connecting, logging in and one command may take.
const TIME_MAX: Duration = Duration::from_secs(60);
/// A silent connection is asked whether it lives after this.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Bytes that a command says on its error output are kept up to here.
const COMPLAINT_BYTES_MAX: usize = 500;

/// Why a machine cannot be read now.
#[derive(Debug, thiserror::Error)]
pub(super) enum SshError {
    /// Its key is not in the file.
    #[error("its host key is not in {}: compare it and add it with ssh-keyscan", file.display())]
    Unknown {
        /// The file of known hosts.
        file: PathBuf,
    },
    /// It has another key than it had.
    #[error("its host key is not the one in line {line} of {}: somebody may listen in between; nothing is read until that is cleared up", file.display())]
    Changed {
        /// The file of known hosts.
        file: PathBuf,
        /// Where the old key stands.
        line: usize,
    },
    /// It does not let us in.
    #[error("it refuses the user {user} with the key {}", key.display())]
    Refused {
        /// Who logged in.
        user: String,
        /// With what.
        key: PathBuf,
    },
    /// It did not answer in time.
    #[error("it does not answer within {} s", TIME_MAX.as_secs())]
    Slow,
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Ssh(#[from] russh::Error),
    /// A command failed there.
    #[error("{what} ended with {code}: {said}")]
    Command {
        /// What was asked for.
        what: &'static str,
        /// Its exit status.
        code: u32,
        /// Its error output.
        said: String,
    },
    /// Its answer makes no sense.
    #[error("{0}")]
    Answer(&'static str),
}

/// Read the private key.
pub(super) fn load_key(path: &Path) -> Result<PrivateKey, SourceError> {
    load_secret_key(path, None).map_err(|error| SourceError::Start {
        what: path.display().to_string(),
        why: format!("the private key cannot be read: {error} (it may have no passphrase)"),
    })
}

/// What looks at the machine's key.
struct Checker {
    host: String,
    port: u16,
    file: PathBuf,
    refused: Arc<Mutex<Option<SshError>>>,
}

impl client::Handler for Checker {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let file = self.file.clone();
        let unknown = SshError::Unknown { file: file.clone() };
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            *self.refused.lock() = Some(unknown);
            return Ok(false);
        };
        let known = russh::keys::check_known_hosts_path(&self.host, self.port, key, &self.file);
        let refused = match known {
            Ok(true) => return Ok(true),
            Err(russh::keys::Error::KeyChanged { line }) => SshError::Changed { file, line },
            Ok(false) | Err(_) => unknown,
        };
        *self.refused.lock() = Some(refused);
        Ok(false)
    }
}

/// A connection that is logged in.
pub(super) struct Session {
    handle: Handle<Checker>,
}

impl Session {
    /// Connect, compare the machine's key, log in.
    pub(super) async fn connect(
        (host, port): &(String, u16),
        config: &SshSource,
    ) -> Result<Session, SshError> {
        let refused = Arc::new(Mutex::new(None));
        let checker = Checker {
            host: host.clone(),
            port: *port,
            file: config.known_hosts.clone(),
            refused: Arc::clone(&refused),
        };
        let refuse =
            || SshError::Refused { user: config.user.clone(), key: config.key_file.clone() };
        let key = load_key(&config.key_file).map_err(|_| refuse())?;
        let settings = client::Config {
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: 3,
            ..client::Config::default()
        };
        let connecting = async {
            let mut handle =
                client::connect(Arc::new(settings), (host.as_str(), *port), checker).await?;
            let hash = handle.best_supported_rsa_hash().await?.flatten();
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
            let done = handle.authenticate_publickey(&config.user, key).await?;
            Ok::<_, russh::Error>(done.success().then_some(handle))
        };
        let connected = tokio::time::timeout(TIME_MAX, connecting).await;
        if let Some(refused) = refused.lock().take() {
            return Err(refused);
        }
        match connected {
            Err(_) => Err(SshError::Slow),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(None)) => Err(refuse()),
            Ok(Ok(Some(handle))) => Ok(Session { handle }),
        }
    }

    /// Run a command and take what it says, at most `bytes_max`.
    pub(super) async fn run(
        &self,
        what: &'static str,
        command: &str,
        bytes_max: usize,
    ) -> Result<Vec<u8>, SshError> {
        let running = async {
            let mut channel = self.handle.channel_open_session().await?;
            channel.exec(true, command).await?;
            let (mut out, mut said, mut code) = (Vec::new(), Vec::new(), None);
            while let Some(message) = channel.wait().await {
                match message {
                    ChannelMsg::Data { data } => {
                        out.extend_from_slice(&data);
                        if out.len() > bytes_max {
                            return Err(SshError::Answer("it sends more than was asked for"));
                        }
                    }
                    ChannelMsg::ExtendedData { data, .. } => {
                        let room = COMPLAINT_BYTES_MAX.saturating_sub(said.len());
                        said.extend_from_slice(
                            data.get(..room.min(data.len())).unwrap_or_default(),
                        );
                    }
                    ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                    ChannelMsg::ExitSignal { .. } | ChannelMsg::Failure => {
                        code = code.or(Some(255));
                    }
                    _ => {}
                }
            }
            match code {
                Some(0) => Ok(out),
                Some(code) => {
                    let said = String::from_utf8_lossy(&said).trim().to_owned();
                    Err(SshError::Command { what, code, said })
                }
                // Killed in the middle: what came may not be all.
                None => Err(SshError::Answer("the session ended in the middle of an answer")),
            }
        };
        tokio::time::timeout(TIME_MAX, running).await.unwrap_or(Err(SshError::Slow))
    }

    /// Is the connection gone?
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Say goodbye.
    pub(super) async fn close(&self) {
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "en").await;
    }
}
