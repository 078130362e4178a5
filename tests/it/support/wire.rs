//! Small peers of the protocols that sources speak, written against the protocols and not against our code: they send
//! numbered records, cut themselves off, and say what was answered.

use std::collections::{BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::sources_conformance::Driver;
use crate::support::PATIENCE;

/// The text of record `n`.
pub fn record(n: u64) -> String {
    format!("<38>1 2026-11-22T08:00:00.{:06}Z conf01 app 77 - - record={n};", n % 1_000_000)
}

/// The text of record `n`, at least so long.
pub fn long_record(n: u64, bytes: usize) -> String {
    format!("{}{}", record(n), "x".repeat(bytes))
}

/// Both directions of a connection, plain or encrypted.
pub trait Wire: Read + Write + Send {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// Certificates of a test: a CA, a server's and a client's.
pub struct Certificates {
    /// The folder with `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`.
    pub folder: PathBuf,
}

impl Certificates {
    /// Make them all.
    pub fn make(folder: &Path) -> Certificates {
        let ca = issuer();
        std::fs::write(folder.join("ca.pem"), ca.0.pem()).unwrap();
        for name in ["server", "client"] {
            let (cert, key) = signed(&ca.1, name, None);
            std::fs::write(folder.join(format!("{name}.pem")), cert).unwrap();
            std::fs::write(folder.join(format!("{name}.key")), key).unwrap();
        }
        let (cert, key) = signed(&ca.1, "expired", Some(2001));
        std::fs::write(folder.join("expired.pem"), cert).unwrap();
        std::fs::write(folder.join("expired.key"), key).unwrap();
        let other = issuer();
        let (cert, key) = signed(&other.1, "stranger", None);
        std::fs::write(folder.join("stranger.pem"), cert).unwrap();
        std::fs::write(folder.join("stranger.key"), key).unwrap();
        // A second pair for the server, to rotate to.
        let (cert, key) = signed(&ca.1, "server", None);
        std::fs::write(folder.join("next.pem"), cert).unwrap();
        std::fs::write(folder.join("next.key"), key).unwrap();
        Certificates { folder: folder.to_owned() }
    }

    /// The keys of a listener; `mutual`: clients must show a certificate.
    pub fn keys(&self, mutual: bool) -> String {
        let of = |name: &str| self.folder.join(name).display().to_string();
        let mut text =
            format!("tls_cert = \"{}\"\ntls_key = \"{}\"\n", of("server.pem"), of("server.key"));
        if mutual {
            text += &format!("tls_client_ca = \"{}\"\n", of("ca.pem"));
        }
        text
    }

    /// Connect, showing a certificate if one is named. The handshake is done when this returns.
    pub fn connect(&self, port: u16, client: Option<&str>) -> std::io::Result<Box<dyn Wire>> {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
        let of = |name: String| self.folder.join(name);
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(of("ca.pem".to_owned())).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let cert = CertificateDer::from_pem_file(of(format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(of(format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let session =
            rustls::ClientConnection::new(Arc::new(config), name).map_err(std::io::Error::other)?;
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = rustls::StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Box::new(stream))
    }
}

type Issuer = rcgen::Issuer<'static, rcgen::KeyPair>;

fn issuer() -> (rcgen::Certificate, Issuer) {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap();
    (cert, rcgen::Issuer::new(params, key))
}

fn signed(issuer: &Issuer, name: &str, until: Option<i32>) -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    if let Some(year) = until {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

/// Connect without TLS, waiting for the listener for a while.
pub fn plain(port: u16) -> TcpStream {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(socket) => {
                socket.set_nodelay(true).unwrap();
                return socket;
            }
            Err(error) => assert!(Instant::now() < deadline, "cannot connect to {port}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Read what is there until nothing came for `wait`. `None`: the other side is gone.
fn read_some(wire: &mut dyn Wire, wait: Duration) -> Option<Vec<u8>> {
    wire.socket().set_read_timeout(Some(wait.max(Duration::from_millis(1)))).unwrap();
    let mut buffer = vec![0; 64 << 10];
    match wire.read(&mut buffer) {
        Ok(0) => None,
        Ok(count) => Some(buffer[..count].to_vec()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Some(Vec::new())
        }
        Err(_) => None,
    }
}

/// Syslog in octet-counted frames or lines, over TCP or TLS.
pub struct SyslogStream {
    /// Octet counting.
    pub counted: bool,
    /// With TLS, and a client's certificate.
    pub certificates: Option<Certificates>,
    wire: Option<Box<dyn Wire>>,
}

impl SyslogStream {
    /// A peer that is not connected.
    pub fn new(counted: bool, certificates: Option<Certificates>) -> SyslogStream {
        SyslogStream { counted, certificates, wire: None }
    }

    fn frame(&self, text: &str) -> String {
        if self.counted { format!("{} {text}", text.len()) } else { format!("{text}\n") }
    }

    fn write(&mut self, text: &str) -> bool {
        let Some(wire) = &mut self.wire else { return false };
        wire.write_all(text.as_bytes()).and_then(|()| wire.flush()).is_ok()
    }
}

impl Driver for SyslogStream {
    fn section(&self, port: u16) -> String {
        let (protocol, keys) = match &self.certificates {
            Some(certificates) => ("tls", certificates.keys(true)),
            None => ("tcp", String::new()),
        };
        format!(
            "type = \"syslog\"\nprotocol = \"{protocol}\"\nlisten = \"127.0.0.1:{port}\"\n{keys}"
        )
    }

    fn connect(&mut self, port: u16) {
        self.wire = Some(match &self.certificates {
            None => Box::new(plain(port)),
            Some(certificates) => {
                drop(plain(port));
                certificates.connect(port, Some("client")).unwrap()
            }
        });
    }

    fn send(&mut self, records: Range<u64>) -> bool {
        let text: String = records.map(|n| self.frame(&record(n))).collect();
        self.write(&text)
    }

    fn half(&mut self, n: u64) {
        let frame = self.frame(&record(n));
        self.write(&frame[..frame.len() / 2]);
        // Closed with something unread (TLS says more than we ask), the system would reset the connection, and what
        // was not read yet on the other side would be lost.
        let wire = self.wire.as_mut().unwrap();
        wire.socket().shutdown(std::net::Shutdown::Write).unwrap();
        while read_some(wire.as_mut(), Duration::from_secs(5)).is_some_and(|it| !it.is_empty()) {}
        self.wire = None;
    }

    fn oversize(&mut self, n: u64, bytes: usize) {
        let frame = self.frame(&long_record(n, bytes));
        self.write(&frame);
    }

    fn disconnect(&mut self) {
        self.wire = None;
    }
}

/// Syslog in datagrams.
#[derive(Default)]
pub struct SyslogUdp(Option<UdpSocket>);

impl Driver for SyslogUdp {
    fn section(&self, port: u16) -> String {
        format!("type = \"syslog\"\nprotocol = \"udp\"\nlisten = \"127.0.0.1:{port}\"\n")
    }

    fn loses_under_pressure(&self) -> bool {
        true
    }

    fn connect(&mut self, port: u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        self.0 = Some(socket);
    }

    fn send(&mut self, records: Range<u64>) -> bool {
        let socket = self.0.as_ref().unwrap();
        records.into_iter().all(|n| socket.send(record(n).as_bytes()).is_ok())
    }

    fn oversize(&mut self, n: u64, bytes: usize) {
        let text = long_record(n, bytes);
        self.0.as_ref().unwrap().send(text.as_bytes()).unwrap();
    }

    fn disconnect(&mut self) {
        self.0 = None;
    }
}

/// RELP as librelp speaks it: a window, answers in order, and what has no answer is sent again under new numbers.
#[derive(Default)]
pub struct Relp {
    /// With TLS.
    pub certificates: Option<Certificates>,
    wire: Option<Box<dyn Wire>>,
    txnr: u64,
    /// Sent and not answered: transaction, record, text.
    unanswered: VecDeque<(u64, u64, String)>,
    answered: BTreeSet<u64>,
    heard: Vec<u8>,
}

impl Relp {
    /// A peer that speaks TLS.
    pub fn over_tls(certificates: Certificates) -> Relp {
        Relp { certificates: Some(certificates), ..Relp::default() }
    }

    /// The connection, to be kept open while the peer believes that it is broken.
    pub fn half_open(&mut self) -> Option<Box<dyn Wire>> {
        self.wire.take()
    }

    fn put(&mut self, command: &str, data: &str) -> bool {
        self.txnr += 1;
        let head = format!("{} {command} {}", self.txnr, data.len());
        let text = if data.is_empty() { head + "\n" } else { format!("{head} {data}\n") };
        let Some(wire) = &mut self.wire else { return false };
        let done = wire.write_all(text.as_bytes()).and_then(|()| wire.flush());
        done.is_ok()
    }

    fn listen(&mut self, wait: Duration) {
        let Some(wire) = &mut self.wire else { return };
        match read_some(wire.as_mut(), wait) {
            Some(bytes) => self.heard.extend(bytes),
            None => self.wire = None,
        }
        while let Some((txnr, used, good)) = response(&self.heard) {
            self.heard.drain(..used);
            if self.unanswered.front().is_some_and(|(sent, ..)| *sent == txnr) {
                assert!(good, "the answer to {txnr} is no 200");
                let (_, n, _) = self.unanswered.pop_front().unwrap();
                self.answered.insert(n);
            } else {
                let waiting = self.unanswered.iter().any(|(sent, ..)| *sent == txnr);
                assert!(!waiting, "{txnr} was answered out of order");
            }
        }
    }

    fn put_record(&mut self, n: u64, text: String) -> bool {
        let done = self.put("syslog", &text);
        self.unanswered.push_back((self.txnr, n, text));
        // As librelp does: what is there is read between.
        if self.unanswered.len().is_multiple_of(100) {
            self.listen(Duration::from_millis(1));
        }
        done
    }
}

/// `TXNR rsp LENGTH DATA\n`: the number, the bytes, whether it begins with 200.
fn response(bytes: &[u8]) -> Option<(u64, usize, bool)> {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.splitn(4, ' ');
    let txnr = words.next()?.parse().ok()?;
    let _command = words.next()?;
    let third = words.next()?;
    if let Some(end) = third.find('\n') {
        let head = text.len() - text.splitn(3, ' ').nth(2)?.len();
        return Some((txnr, head + end + 1, true));
    }
    let length: usize = third.parse().ok()?;
    let data = words.next()?;
    let head = text.len() - data.len();
    (data.len() > length).then(|| (txnr, head + length + 1, data.starts_with("200")))
}

impl Driver for Relp {
    fn section(&self, port: u16) -> String {
        let keys = self.certificates.as_ref().map_or(String::new(), |it| it.keys(true));
        format!("type = \"relp\"\nlisten = \"127.0.0.1:{port}\"\n{keys}")
    }

    fn answers(&self) -> bool {
        true
    }

    fn connect(&mut self, port: u16) {
        self.wire = Some(match &self.certificates {
            None => Box::new(plain(port)),
            Some(certificates) => {
                drop(plain(port));
                certificates.connect(port, Some("client")).unwrap()
            }
        });
        self.heard.clear();
        self.txnr = 0;
        assert!(self.put("open", "relp_version=0\nrelp_software=test\ncommands=syslog"));
        for (_, n, text) in std::mem::take(&mut self.unanswered) {
            self.put_record(n, text);
        }
    }

    fn send(&mut self, records: Range<u64>) -> bool {
        records.into_iter().all(|n| self.put_record(n, record(n)))
    }

    fn acknowledged(&mut self, wait: Duration) -> BTreeSet<u64> {
        self.listen(wait);
        self.answered.clone()
    }

    fn forget_answers(&mut self, records: Range<u64>) {
        let rest = std::mem::take(&mut self.unanswered);
        self.unanswered = records.map(|n| (0, n, record(n))).chain(rest).collect();
        self.wire = None;
    }

    fn half(&mut self, n: u64) {
        let text = record(n);
        let frame = format!("{} syslog {} {}", self.txnr + 1, text.len(), &text[..text.len() / 2]);
        self.wire.as_mut().unwrap().write_all(frame.as_bytes()).unwrap();
        self.unanswered.push_back((0, n, text));
        self.wire = None;
    }

    fn oversize(&mut self, n: u64, bytes: usize) {
        assert!(self.put_record(n, long_record(n, bytes)));
    }

    fn disconnect(&mut self) {
        self.wire = None;
    }
}

/// Fluent forward with acknowledgement: packed entries, one chunk for each call of `send`.
#[derive(Default)]
pub struct Forward {
    wire: Option<Box<dyn Wire>>,
    chunks: u64,
    /// Sent and not answered: chunk, records, bytes.
    unanswered: Vec<(String, Range<u64>, Vec<u8>)>,
    answered: BTreeSet<u64>,
    heard: Vec<u8>,
}

impl Forward {
    fn message(&self, id: &str, texts: impl Iterator<Item = String>) -> Vec<u8> {
        use rmpv::Value;
        let mut entries = Vec::new();
        for text in texts {
            let record = Value::Map(vec![("message".into(), text.into())]);
            let entry = Value::Array(vec![1_795_334_400_u64.into(), record]);
            rmpv::encode::write_value(&mut entries, &entry).unwrap();
        }
        let mut packed = Vec::new();
        // Every second chunk is compressed.
        let is_packed = self.chunks % 2 == 1;
        if is_packed {
            let mut gzip = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
            gzip.write_all(&entries).unwrap();
            gzip.finish().unwrap();
        }
        let mut options: Vec<(Value, Value)> = vec![("chunk".into(), id.into())];
        if is_packed {
            options.push(("compressed".into(), "gzip".into()));
        }
        let entries = Value::Binary(if is_packed { packed } else { entries });
        let message = Value::Array(vec!["conf.app".into(), entries, Value::Map(options)]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        bytes
    }

    fn put(&mut self, bytes: &[u8]) -> bool {
        let Some(wire) = &mut self.wire else { return false };
        wire.write_all(bytes).and_then(|()| wire.flush()).is_ok()
    }

    fn next_chunk(&mut self) -> String {
        self.chunks += 1;
        format!("chunk-{:08}-{}", self.chunks, std::process::id())
    }

    fn listen(&mut self, wait: Duration) {
        let Some(wire) = &mut self.wire else { return };
        match read_some(wire.as_mut(), wait) {
            Some(bytes) => self.heard.extend(bytes),
            None => self.wire = None,
        }
        loop {
            let mut rest = self.heard.as_slice();
            let Ok(value) = rmpv::decode::read_value(&mut rest) else { return };
            let used = self.heard.len() - rest.len();
            self.heard.drain(..used);
            // What is no map belongs to the handshake.
            let Some(map) = value.as_map() else { continue };
            let id = map[0].1.as_str().unwrap().to_owned();
            let (done, rest) = std::mem::take(&mut self.unanswered)
                .into_iter()
                .partition(|(chunk, ..)| *chunk == id);
            self.unanswered = rest;
            let done: Vec<(String, Range<u64>, Vec<u8>)> = done;
            assert_eq!(done.len(), 1, "an answer for what was not sent: {id}");
            self.answered.extend(done[0].1.clone());
        }
    }
}

impl Driver for Forward {
    fn section(&self, port: u16) -> String {
        format!(
            "type = \"forward\"\nlisten = \"127.0.0.1:{port}\"\nmessage_bytes_max = \"256 KiB\"\n"
        )
    }

    fn answers(&self) -> bool {
        true
    }

    fn connect(&mut self, port: u16) {
        self.wire = Some(Box::new(plain(port)));
        self.heard.clear();
        for (_, _, bytes) in self.unanswered.clone() {
            self.put(&bytes);
        }
    }

    fn send(&mut self, records: Range<u64>) -> bool {
        let id = self.next_chunk();
        let bytes = self.message(&id, records.clone().map(record));
        self.unanswered.push((id, records, bytes.clone()));
        self.put(&bytes)
    }

    fn acknowledged(&mut self, wait: Duration) -> BTreeSet<u64> {
        self.listen(wait);
        self.answered.clone()
    }

    fn forget_answers(&mut self, records: Range<u64>) {
        let id = format!("chunk-{:08}-{}", self.chunks, std::process::id());
        let bytes = self.message(&id, records.clone().map(record));
        self.unanswered.push((id, records, bytes));
        self.wire = None;
    }

    fn half(&mut self, n: u64) {
        let id = self.next_chunk();
        let bytes = self.message(&id, std::iter::once(record(n)));
        self.put(&bytes[..bytes.len() / 2]);
        self.unanswered.push((id, n..n + 1, bytes));
        self.wire = None;
    }

    fn oversize(&mut self, n: u64, bytes: usize) {
        let id = self.next_chunk();
        let bytes = self.message(&id, std::iter::once(long_record(n, bytes)));
        self.unanswered.push((id, n..n + 1, bytes.clone()));
        assert!(self.put(&bytes));
    }

    fn disconnect(&mut self) {
        self.wire = None;
    }
}
