//! A real RabbitMQ of a test: started, killed, restarted; ended when dropped.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::support::{free_port, root};

/// A node.
pub struct Rabbit {
    folder: tempfile::TempDir,
    /// Where clients come in.
    pub port: u16,
    extra: String,
}

fn script(arguments: &[&str], extra: &str) -> bool {
    let mut command = Command::new(root().join("tests/services/rabbitmq.sh"));
    command.args(arguments).env("RMQ_EXTRA", extra);
    command.status().is_ok_and(|status| status.success())
}

/// Can it be had here? A loud skip on a laptop, a failure in CI.
fn there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    let found = *THERE.get_or_init(|| script(&["fetch"], ""));
    assert!(
        found || std::env::var_os("CI").is_none(),
        "RabbitMQ is not installed (rabbitmq-server)"
    );
    if !found {
        eprintln!("SKIPPED: RabbitMQ is not installed (apt-get install rabbitmq-server)");
    }
    found
}

impl Rabbit {
    /// Start a node with further lines of its configuration, made for its folder.
    pub fn start(extra: impl FnOnce(&Path) -> String) -> Option<Rabbit> {
        if !there() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // Its own user reads the folder.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let extra = extra(folder.path());
        let rabbit = Rabbit { folder, port: free_port(), extra };
        rabbit.restart();
        Some(rabbit)
    }

    fn verb(&self, verb: &str) -> bool {
        let folder = self.folder.path().join("node");
        script(&[verb, folder.to_str().unwrap(), &self.port.to_string()], &self.extra)
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Start it again on its data.
    pub fn restart(&self) {
        assert!(self.verb("start"), "RabbitMQ does not start");
    }

    /// kill -9
    pub fn kill(&self) {
        self.verb("kill");
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }

    /// A channel whose messages are confirmed, and its connection.
    pub async fn channel(&self) -> (Connection, Channel) {
        let connection =
            Connection::connect(&self.url(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        (connection, channel)
    }

    /// Make a durable queue.
    pub async fn declare(&self, channel: &Channel, queue: &str) {
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
    }

    /// Messages that wait in a queue, or `None`: there is no such queue.
    pub async fn waiting(&self, queue: &str) -> Option<u32> {
        let (connection, channel) = self.channel().await;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        let _ = connection.close(200, "".into()).await;
        found.ok().map(|queue| queue.message_count())
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.verb("kill");
        self.verb("stop");
    }
}

/// Publish a persistent message and wait for the broker's word.
pub async fn publish(channel: &Channel, queue: &str, body: &str, id: Option<&str>) {
    let mut properties = BasicProperties::default().with_delivery_mode(2);
    if let Some(id) = id {
        properties = properties.with_message_id(id.into());
    }
    let sent = channel
        .basic_publish(
            "".into(),
            queue.into(),
            BasicPublishOptions::default(),
            body.as_bytes(),
            properties,
        )
        .await
        .unwrap();
    sent.await.unwrap();
}
