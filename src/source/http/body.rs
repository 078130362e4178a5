//! A request's body: read with bounds on size, time and memory, then unpacked with bounds on size and ratio.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::refusal::{Reason, Refusal};

/// A small body may be packed better than the ratio allows.
const RATIO_FREE_BYTES: u64 = 1 << 20;
/// Of a body that is refused this much is still read, so that the client gets to read why.
const DISCARD_BYTES_MAX: usize = 32 << 20;
/// And for this long.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(2);
/// Memory is counted in pieces of this many bytes.
const PIECE_BYTES: usize = 4 << 10;

/// The bytes that all bodies in work may take.
#[derive(Clone, Debug)]
pub(super) struct Memory(Arc<Semaphore>);

/// A part of that, given back when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Share {
    held: Vec<OwnedSemaphorePermit>,
    pieces: usize,
}

impl Memory {
    pub(super) fn new(bytes: usize) -> Memory {
        let pieces = bytes.div_ceil(PIECE_BYTES).min(Semaphore::MAX_PERMITS);
        Memory(Arc::new(Semaphore::new(pieces)))
    }

    /// Let a share grow to so many bytes.
    pub(super) fn grow(&self, share: &mut Share, bytes: usize) -> Result<(), Refusal> {
        let missing = bytes.div_ceil(PIECE_BYTES).saturating_sub(share.pieces);
        if missing == 0 {
            return Ok(());
        }
        let wanted = u32::try_from(missing).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.0).try_acquire_many_owned(wanted).map_err(|_| {
            Refusal::new(Reason::Busy, "the bodies of other requests take all of memory_max")
        })?;
        share.held.push(permit);
        share.pieces += missing;
        Ok(())
    }
}

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) packed_max: usize,
    pub(super) unpacked_max: usize,
    pub(super) ratio_max: u64,
    pub(super) time: Duration,
}

/// Read all of a body as it was sent.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
    memory: &Memory,
    share: &mut Share,
) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let message =
            format!("the body is longer than body_bytes_max, {} bytes", bounds.packed_max);
        Refusal::new(Reason::TooLarge, message)
    };
    let length = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok());
    let length = length.and_then(|text| text.parse::<usize>().ok());
    let mut stream = body.into_data_stream();
    let refused = async {
        if length.is_some_and(|length| length > bounds.packed_max) {
            return Err(too_large());
        }
        memory.grow(share, length.unwrap_or(0))?;
        let mut bytes = Vec::with_capacity(length.unwrap_or(0));
        let deadline = Instant::now() + bounds.time;
        loop {
            let piece = timeout_at(deadline, stream.next()).await.map_err(|_| {
                let message = format!("the body did not come within {:?}", bounds.time);
                Refusal::new(Reason::Slow, message)
            })?;
            let piece = match piece {
                None => return Ok(bytes),
                Some(Ok(piece)) => piece,
                Some(Err(error)) => {
                    let message = format!("the body ended before its end: {error}");
                    return Err(Refusal::new(Reason::HalfBody, message));
                }
            };
            if bytes.len() + piece.len() > bounds.packed_max {
                return Err(too_large());
            }
            memory.grow(share, bytes.len() + piece.len())?;
            bytes.extend_from_slice(&piece);
        }
    }
    .await;
    if let Err(Refusal { reason: Reason::TooLarge | Reason::Busy, .. }) = &refused {
        discard(&mut stream).await;
    }
    refused
}

/// Read on for a while and forget it: a client that is still sending does not look for an answer.
pub(super) async fn discard<E>(
    stream: &mut (impl futures_util::Stream<Item = Result<Bytes, E>> + Unpin),
) {
    let reading = async {
        let mut count = 0;
        while let Some(Ok(piece)) = stream.next().await {
            count += piece.len();
            if count > DISCARD_BYTES_MAX {
                return;
            }
        }
    };
    // Whoever is still sending then gets no answer.
    let _ = tokio::time::timeout(DISCARD_TIME_MAX, reading).await;
}

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Result<Coding, Refusal> {
        let mut found = Coding::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let word = value.to_str().unwrap_or("?").trim();
            found = match (word.to_ascii_lowercase().as_str(), found) {
                ("" | "identity", found) => found,
                ("gzip" | "x-gzip", Coding::Identity) => Coding::Gzip,
                ("zstd", Coding::Identity) => Coding::Zstd,
                _ => {
                    let message = format!(
                        "the content encoding {word:?} is not known: gzip, zstd or identity"
                    );
                    return Err(Refusal::new(Reason::Packing, message));
                }
            };
        }
        Ok(found)
    }
}

/// Unpack a body. Takes time: call it away from the runtime's threads.
pub(super) fn unpack(
    packed: Vec<u8>,
    coding: Coding,
    bounds: Bounds,
    memory: &Memory,
    share: &mut Share,
) -> Result<Vec<u8>, Refusal> {
    let damaged = |error: io::Error| {
        Refusal::new(Reason::Packing, format!("the body cannot be unpacked: {error}"))
    };
    let mut reader: Box<dyn Read + '_> = match coding {
        Coding::Identity => return Ok(packed),
        Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed.as_slice())),
        Coding::Zstd => {
            Box::new(zstd::stream::read::Decoder::new(packed.as_slice()).map_err(damaged)?)
        }
    };
    let by_ratio = (packed.len() as u64).saturating_mul(bounds.ratio_max).max(RATIO_FREE_BYTES);
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        let count = reader.read(&mut piece).map_err(damaged)?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > bounds.unpacked_max {
            let message = format!(
                "the unpacked body is longer than unpacked_bytes_max, {} bytes",
                bounds.unpacked_max
            );
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        if (bytes.len() + count) as u64 > by_ratio {
            let message = format!(
                "the body unpacks to more than limits.decompression_ratio_max, {} times its size",
                bounds.ratio_max
            );
            return Err(Refusal::new(Reason::TooLarge, message));
        }
        memory.grow(share, packed.len() + bytes.len() + count)?;
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        packed_max: 1_000,
        unpacked_max: 4 << 20,
        ratio_max: 100,
        time: Duration::from_secs(5),
    };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    fn unpacked(packed: Vec<u8>, coding: Coding, bounds: Bounds) -> Result<Vec<u8>, Reason> {
        let memory = Memory::new(8 << 20);
        unpack(packed, coding, bounds, &memory, &mut Share::default()).map_err(|it| it.reason)
    }

    #[test]
    fn what_is_packed_comes_out_and_bombs_do_not() {
        let text = b"one line\n".repeat(100);
        assert_eq!(unpacked(text.clone(), Coding::Identity, BOUNDS).unwrap(), text);
        assert_eq!(unpacked(gzip(&text), Coding::Gzip, BOUNDS).unwrap(), text);
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        assert_eq!(unpacked(zstd, Coding::Zstd, BOUNDS).unwrap(), text);

        let bomb = vec![0; 3 << 20];
        assert_eq!(unpacked(gzip(&bomb), Coding::Gzip, BOUNDS), Err(Reason::TooLarge), "ratio");
        let wide = Bounds { ratio_max: 100_000, ..BOUNDS };
        assert_eq!(unpacked(gzip(&bomb), Coding::Gzip, wide).unwrap().len(), bomb.len());
        let long = Bounds { unpacked_max: 1 << 20, ..wide };
        assert_eq!(unpacked(gzip(&bomb), Coding::Gzip, long), Err(Reason::TooLarge), "size");
        let cut = gzip(&text)[..20].to_vec();
        assert_eq!(unpacked(cut, Coding::Gzip, BOUNDS), Err(Reason::Packing));
        assert_eq!(unpacked(text, Coding::Zstd, BOUNDS), Err(Reason::Packing));
    }

    #[test]
    fn memory_is_shared_and_given_back() {
        let memory = Memory::new(64 << 10);
        let mut one = Share::default();
        memory.grow(&mut one, 40 << 10).unwrap();
        memory.grow(&mut one, 30 << 10).unwrap();
        let mut two = Share::default();
        assert_eq!(memory.grow(&mut two, 30 << 10).unwrap_err().reason, Reason::Busy);
        drop(one);
        memory.grow(&mut two, 30 << 10).unwrap();
    }

    #[tokio::test]
    async fn long_cut_and_slow_bodies_are_refused() {
        let memory = Memory::new(8 << 20);
        let take = async |body: Body, time: Duration| {
            let bounds = Bounds { time, ..BOUNDS };
            let mut share = Share::default();
            let got = read(&HeaderMap::new(), body, bounds, &memory, &mut share).await;
            got.map_err(|refusal| refusal.reason)
        };
        let second = Duration::from_secs(5);
        assert_eq!(take(Body::from("abc"), second).await.unwrap(), b"abc");
        assert_eq!(take(Body::from(vec![0; 1_001]), second).await, Err(Reason::TooLarge));
        let pieces: Vec<Result<Bytes, io::Error>> =
            vec![Ok(Bytes::from_static(b"abc")), Err(io::ErrorKind::UnexpectedEof.into())];
        let cut = Body::from_stream(futures_util::stream::iter(pieces));
        assert_eq!(take(cut, second).await, Err(Reason::HalfBody));
        let never = futures_util::stream::pending::<Result<Bytes, io::Error>>();
        let slow = take(Body::from_stream(never), Duration::from_millis(10)).await;
        assert_eq!(slow, Err(Reason::Slow));
    }

    #[test]
    fn codings_are_few() {
        let of = |words: &[&str]| {
            let mut headers = HeaderMap::new();
            for word in words {
                headers.append(header::CONTENT_ENCODING, word.parse().unwrap());
            }
            Coding::of(&headers).map_err(|it| it.reason)
        };
        assert_eq!(of(&[]), Ok(Coding::Identity));
        assert_eq!(of(&["GZIP"]), Ok(Coding::Gzip));
        assert_eq!(of(&["zstd"]), Ok(Coding::Zstd));
        for wrong in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["snappy"]] {
            assert_eq!(of(wrong), Err(Reason::Packing), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes: Vec<u8>) {
            for coding in [Coding::Gzip, Coding::Zstd] {
                let _ = unpacked(bytes.clone(), coding, BOUNDS);
            }
            prop_assert_eq!(unpacked(gzip(&bytes), Coding::Gzip, BOUNDS), Ok(bytes));
        }
    }
}
