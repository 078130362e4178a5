//! A small proxy for TCP that cuts and stalls connections as a seed says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

use crate::kill::Numbers;

/// A proxy before one address. Ends with the runtime it was started on.
pub struct Proxy {
    pub port: u16,
    /// Connections that were cut.
    pub cuts: Arc<AtomicUsize>,
}

impl Proxy {
    /// Start one: each direction of every third connection is cut after up to
    /// `bytes_max` bytes, one connection of ten stalls a while.
    pub fn start(runtime: &Handle, to: SocketAddr, seed: u64, bytes_max: u64) -> Proxy {
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        runtime.spawn(async move {
            let mut numbers = Numbers(seed);
            while let Ok((client, _)) = listener.accept().await {
                let fate = |numbers: &mut Numbers| {
                    (numbers.below(3) == 0).then(|| numbers.below(bytes_max))
                };
                let (up, down) = (fate(&mut numbers), fate(&mut numbers));
                let stall = (numbers.below(10) == 0).then(|| numbers.below(300));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(to).await else { return };
                    if let Some(millis) = stall {
                        tokio::time::sleep(Duration::from_millis(millis)).await;
                    }
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    // Whichever ends first ends both: the connection is cut.
                    let cut = tokio::select! {
                        cut = pass(&mut from_client, &mut to_server, up) => cut,
                        cut = pass(&mut from_server, &mut to_client, down) => cut,
                    };
                    counted.fetch_add(usize::from(cut), Ordering::Relaxed);
                });
            }
        });
        Proxy { port, cuts }
    }
}

/// Pass bytes on until the end, or until `left` of them have gone. Was it cut?
async fn pass(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    left: Option<u64>,
) -> bool {
    let mut piece = vec![0; 4 << 10];
    let mut left = left.unwrap_or(u64::MAX);
    loop {
        if left == 0 {
            return true;
        }
        let room = usize::try_from(left).unwrap().min(piece.len());
        let count = match from.read(&mut piece[..room]).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => count,
        };
        if to.write_all(&piece[..count]).await.is_err() {
            return false;
        }
        left -= count as u64;
    }
}
