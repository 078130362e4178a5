//! `type = "amqp"`: a queue of an AMQP 0-9-1 broker such as RabbitMQ.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// `type = "amqp"`.
#[derive(Clone, Debug, PartialEq)]
pub struct AmqpSource {
    /// `amqp://host:port/vhost`, or `amqps://…` for TLS.
    pub url: String,
    /// Who logs in.
    pub user: String,
    /// The password; `None`: `guest`, which brokers accept from their own machine only.
    pub password: Option<SecretRef>,
    /// Who may have signed the broker's certificate, PEM; `None`: the well-known authorities.
    pub ca: Option<PathBuf>,
    /// Our certificate for mutual TLS, and its key (PKCS#8), PEM.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// The queue.
    pub queue: String,
    /// Make the queue, durable, if it is not there.
    pub declare: bool,
    /// Messages that the broker hands us before it has our answer.
    pub prefetch: u16,
    /// How long a stop waits for what is under way.
    pub stop_wait: Duration,
}

/// Take the keys of an AMQP source.
pub(super) fn read(reader: &mut Reader, index: usize) -> AmqpSource {
    let key = |name: &str| format!("sources[{index}].{name}");
    let path = |text: Option<String>| text.map(PathBuf::from);
    let url = reader.text(
        &key("url"),
        "amqp://127.0.0.1:5672",
        "amqp://HOST:PORT/VHOST, or amqps:// for TLS.",
    );
    if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
        let hint = "for example amqps://rabbit1:5671/logs".to_owned();
        reader.complain(&key("url"), format!("{url:?} is no amqp:// or amqps:// address"), hint);
    }
    if url.contains('@') {
        let hint = "user = \"NAME\" and password = { file = \"PATH\" }".to_owned();
        reader.complain(&key("url"), "a login does not stand in the address".to_owned(), hint);
    }
    let names = (key("password"), key("password.env"), key("password.file"));
    let docs = ("Variable with the password.", "File with the password.");
    let password = SecretRef::take(reader, (&names.0, &names.1, &names.2), docs);
    let doc = "Who may have signed the broker's certificate, PEM; if not given, the well-known authorities.";
    let ca = path(reader.optional_text(&key("tls_ca"), doc));
    let cert = path(reader.optional_text(&key("tls_cert"), "Our certificate for mutual TLS, PEM."));
    let private = path(
        reader
            .optional_text(&key("tls_key"), "Private key that belongs to tls_cert, PEM (PKCS#8)."),
    );
    if cert.is_some() != private.is_some() {
        let missing = if cert.is_some() { "tls_key" } else { "tls_cert" };
        let message = "tls_cert and tls_key are given together".to_owned();
        reader.complain(&key(missing), message, "or neither".to_owned());
    }
    if url.starts_with("amqp://") && (ca.is_some() || cert.is_some()) {
        let message = "certificates are named, but the address is not amqps://".to_owned();
        reader.complain(&key("url"), message, "amqps://HOST:5671".to_owned());
    }
    let queue = reader.text(&key("queue"), "", "The queue to read.");
    if queue.is_empty() || queue.len() > 255 {
        let hint = "for example queue = \"logs\"".to_owned();
        reader.complain(
            &key("queue"),
            "an amqp source needs a queue of at most 255 bytes".to_owned(),
            hint,
        );
    }
    let prefetch = reader.number(
        &key("prefetch"),
        500,
        1,
        "Messages that the broker hands us before it has our answer.",
    );
    AmqpSource {
        url,
        user: reader.text(&key("user"), "guest", "Who logs in."),
        password,
        ca,
        pair: cert.zip(private),
        queue,
        declare: reader.truth(
            &key("declare"),
            false,
            "Make the queue, durable, if it is not there.",
        ),
        prefetch: u16::try_from(prefetch).unwrap_or(u16::MAX),
        stop_wait: reader.duration(
            &key("stop_wait"),
            Duration::from_secs(10),
            "How long a stop waits for what is under way.",
        ),
    }
}
