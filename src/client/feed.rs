//! Changes pushed by the daemon. Resumes after a lost connection by the last id; where the daemon cannot
//! resume, it says so and a gap is reported. Runs only while somebody asks for the next change.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::client::Client;
use crate::client::sse::{Message, Parser};
use crate::model::desk::Change;
use crate::wire::desk_v1;

/// The daemon beats every 15 s; after this long without a byte the connection is dead.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Pauses between attempts to connect grow from this…
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// …to this.
const PAUSE_LAST: Duration = Duration::from_secs(5);

/// A subscription.
#[derive(Debug)]
pub struct Feed {
    client: Client,
    link: Link,
    parser: Parser,
    ready: VecDeque<Change>,
    last_id: Option<String>,
    /// A loss was reported and nothing has come since.
    lost: bool,
}

#[derive(Debug)]
enum Link {
    Up { response: Response, silent_until: Instant },
    Down { attempts: u32, retry_at: Instant },
}

impl Feed {
    pub(super) async fn open(client: Client) -> Feed {
        let link = Link::Down { attempts: 0, retry_at: Instant::now() };
        let parser = Parser::default();
        let mut feed =
            Feed { client, link, parser, ready: VecDeque::new(), last_id: None, lost: false };
        // Connected before the caller reads anything, so that no change falls between.
        feed.connect(0).await;
        feed
    }

    /// The next change. May be dropped and called again (in `select!`) without losing one. Never ends: a lost
    /// connection is [`Change::Lost`], and the daemon is tried again.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return change;
            }
            match &mut self.link {
                Link::Up { response, silent_until } => {
                    match timeout_at(*silent_until, response.chunk()).await {
                        Ok(Ok(Some(bytes))) => {
                            *silent_until = Instant::now() + SILENCE_MAX;
                            self.take(&bytes);
                        }
                        Ok(Ok(None)) => self.lose("the daemon closed the connection".to_owned()),
                        Ok(Err(_)) => self.lose("the connection to the daemon broke".to_owned()),
                        Err(_) => self.lose("the daemon has fallen silent".to_owned()),
                    }
                }
                Link::Down { attempts, retry_at } => {
                    let attempts = *attempts;
                    sleep_until(*retry_at).await;
                    self.connect(attempts).await;
                }
            }
        }
    }

    async fn connect(&mut self, attempts: u32) {
        match self.client.open_stream(self.last_id.as_deref()).await {
            Ok(response) => {
                self.parser = Parser::default();
                self.link = Link::Up { response, silent_until: Instant::now() + SILENCE_MAX };
                if self.lost && self.last_id.is_none() {
                    // Nothing to resume after: whatever happened since is unknown.
                    self.ready.push_back(Change::Gap);
                }
                self.lost = false;
            }
            Err(problem) => {
                let pause = PAUSE_FIRST.saturating_mul(1 << attempts.min(8)).min(PAUSE_LAST);
                self.link = Link::Down { attempts: attempts + 1, retry_at: Instant::now() + pause };
                self.report_loss(problem.message);
            }
        }
    }

    fn lose(&mut self, reason: String) {
        self.link = Link::Down { attempts: 0, retry_at: Instant::now() + PAUSE_FIRST };
        self.report_loss(reason);
    }

    fn report_loss(&mut self, reason: String) {
        if !std::mem::replace(&mut self.lost, true) {
            self.ready.push_back(Change::Lost(reason));
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        let mut messages = Vec::new();
        let taken = self.parser.take(bytes, &mut messages);
        for message in messages {
            self.ready.push_back(change(&message));
            if message.id.is_some() {
                self.last_id = message.id;
            }
        }
        if let Err(error) = taken {
            self.lose(error.to_string());
        }
    }
}

fn change(message: &Message) -> Change {
    let wire = serde_json::from_str::<desk_v1::Change>(&message.data).ok();
    // What cannot be understood may have been a change of an alert.
    wire.and_then(|wire| Change::try_from(wire).ok()).unwrap_or(Change::Gap)
}
