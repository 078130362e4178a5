//! The way to the desk: requests out as tasks, answers and changes back as messages of the loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::model::desk::{Change, Problem, ProblemKind};
use crate::stdx::queue::Sender;
use crate::stdx::task;
use crate::tui::contract::{Msg, Reply, Request};
use crate::tui::run::Wake;

/// An answer on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Reply, Problem>> + Send>>;

/// How the next change is waited for; `None` ends the feed.
pub type NextChange = Pin<Box<dyn Future<Output = Option<(Change, Feed)>> + Send>>;

/// A feed of changes: called again and again until it ends.
pub struct Feed(pub Box<dyn FnOnce() -> NextChange + Send>);

/// What the loop needs of the desk. A table of functions, so that tests run the whole screen without a desk.
pub struct Port {
    /// Ask something.
    pub ask: Arc<dyn Fn(Request) -> Answer + Send + Sync>,
    /// Changes as they happen.
    pub feed: Feed,
    /// Who is asking.
    pub actor: String,
}

/// How often a full loop queue is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// Ask, and bring the answer back to the loop.
pub fn ask(
    runtime: &Handle,
    port: &Arc<dyn Fn(Request) -> Answer + Send + Sync>,
    request: Request,
    inbox: &Sender<Wake>,
) {
    let _inside = runtime.enter();
    let (port, inbox) = (Arc::clone(port), inbox.clone());
    task::spawn("desk request", async move {
        let answer = task::spawn("desk answer", port(request.clone())).await;
        let result = match answer {
            Ok(Some(result)) => result,
            _ => Err(Problem::new(ProblemKind::Internal, "the request failed inside")
                .hint("the log has the cause")),
        };
        deliver(&inbox, Wake::Message(Msg::Reply { request, result })).await;
    });
}

/// Follow the feed until it ends.
pub fn follow(runtime: &Handle, feed: Feed, inbox: Sender<Wake>) {
    let _inside = runtime.enter();
    task::spawn("desk feed", async move {
        let mut feed = feed;
        while let Some((change, rest)) = (feed.0)().await {
            deliver(&inbox, Wake::Message(Msg::Change(change))).await;
            feed = rest;
        }
    });
}

/// Hand a message over without blocking the runtime's threads.
async fn deliver(inbox: &Sender<Wake>, wake: Wake) {
    let mut wake = wake;
    while let Err(back) = inbox.try_send(wake) {
        wake = back;
        tokio::time::sleep(RETRY).await;
    }
}
