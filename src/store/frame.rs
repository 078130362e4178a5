//! One frame of the event log: all events of one commit, as blocks of compressed lines behind
//! a header that says what is inside. Pure: bytes in, bytes out.
//!
//! ```text
//! fixed     "WFF2" header_len u32, body_len u32, count u32, first_us i64, last_us i64, crc32 u32
//! header    blocks u32, then per block: compressed u32, raw u32, count u32, crc32 u32
//!           hosts u32 (u32::MAX: too many to list), then per host: len u16, bytes
//! body      the blocks, each a zstd frame
//! ```
//! Numbers are little-endian. The first checksum covers all of fixed and header, a block's covers its
//! compressed bytes. Blocks are small so that one event can be read without its whole commit.
//!
//! A line is what [`FlatWriter::write_line`] writes. Lines of the frames of before, "WFF1", are flat objects alone, which
//! [`read_line`](crate::wire::event_v1::read_line) reads too; programs of before refuse a store that may hold frames of now,
//! by the number of its database.

use std::cell::RefCell;

use hashbrown::HashMap;

use crate::model::event::{Event, EventId};
use crate::model::field;
use crate::model::inference;
use crate::model::platform::Platform;
use crate::stdx::time::Timestamp;
use crate::wire::event_v1::FlatWriter;

/// First bytes of every frame that is written.
const MAGIC: [u8; 4] = *b"WFF2";
/// Those of a frame that lines of before are in.
const MAGIC_BEFORE: [u8; 4] = *b"WFF1";
/// What both begin with.
pub(crate) const MAGIC_HEAD: [u8; 3] = *b"WFF";
/// Bytes of the fixed part.
pub(crate) const FIXED_BYTES: usize = 36;
/// A block is closed when its raw bytes reach this: larger ones pack better, smaller ones make reading
/// a single event cheaper.
const BLOCK_BYTES: usize = 256 << 10;
/// Hosts listed in a header; a frame with more matches any host.
const HOSTS_MAX: usize = 256;
/// A header longer than this is not ours.
const HEADER_BYTES_MAX: usize = 16 << 20;
/// The most that one block may unpack to.
const RAW_BLOCK_BYTES_MAX: usize = 256 << 20;

/// One block as the header lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Offset from the start of the frame.
    pub offset: u64,
    /// Compressed bytes.
    pub bytes: u32,
    /// Raw bytes.
    pub raw: u32,
    /// Events.
    pub count: u32,
    /// Of the compressed bytes.
    pub crc: u32,
}

/// What a frame's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the whole frame.
    pub frame_bytes: u64,
    /// Events in it.
    pub count: u32,
    /// Event time of the earliest.
    pub first: Timestamp,
    /// Event time of the latest.
    pub last: Timestamp,
    /// The blocks in order.
    pub blocks: Vec<Block>,
    /// Its hosts; `None`: too many to list.
    pub hosts: Option<Vec<String>>,
    /// Of the header.
    pub crc: u32,
}

/// Where an event lies inside its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index of the block.
    pub block: u32,
    /// First byte of the line in the raw block.
    pub start: u32,
    /// Bytes of the line.
    pub length: u32,
}

/// What one commit tells about an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct HostSummary {
    pub os: String,
    pub events: u64,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What one commit tells about its endpoints, by name.
pub(crate) type Hosts = HashMap<String, HostSummary>;

/// The endpoints of some events.
pub(crate) fn hosts_of(events: &[Event]) -> Hosts {
    let mut hosts = Hosts::new();
    events.iter().for_each(|event| summarise(&mut hosts, event));
    hosts
}

/// A finished frame, ready to be appended.
#[derive(Debug)]
pub(crate) struct Frame {
    pub bytes: Vec<u8>,
    pub header: Header,
    pub raw_bytes: u64,
    /// Every event, in order.
    pub places: Vec<(EventId, Place)>,
    pub hosts: Hosts,
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// They end too early; the frame needs this many bytes (0: unknown).
    Short(u64),
    /// They are something else.
    Damaged,
}

/// Packs events into frames; keeps its buffers.
pub(crate) struct Packer {
    writer: FlatWriter,
    zstd: zstd::bulk::Compressor<'static>,
    raw: Vec<u8>,
}

impl Packer {
    /// A packer of one compression level.
    pub(crate) fn new(level: i32) -> std::io::Result<Packer> {
        Ok(Packer {
            writer: FlatWriter::new(),
            zstd: zstd::bulk::Compressor::new(level)?,
            raw: Vec::with_capacity(2 * BLOCK_BYTES),
        })
    }

    /// Pack the events of one commit.
    pub(crate) fn pack(&mut self, events: &[Event]) -> std::io::Result<Frame> {
        let mut body: Vec<u8> = Vec::with_capacity(events.len() * 128);
        let mut blocks: Vec<Block> = Vec::new();
        let mut places = Vec::with_capacity(events.len());
        let mut hosts = Hosts::new();
        let mut raw_bytes = 0_u64;
        let mut count = 0_u32;
        self.raw.clear();
        for event in events {
            let start = self.raw.len();
            self.writer.write_line(event, &mut self.raw);
            self.raw.push(b'\n');
            let place = Place {
                block: to_u32(blocks.len())?,
                start: to_u32(start)?,
                length: to_u32(self.raw.len() - start - 1)?,
            };
            places.push((event.id, place));
            summarise(&mut hosts, event);
            count += 1;
            if self.raw.len() >= BLOCK_BYTES {
                raw_bytes += self.raw.len() as u64;
                self.close_block(count, &mut body, &mut blocks)?;
                count = 0;
            }
        }
        if count > 0 {
            raw_bytes += self.raw.len() as u64;
            self.close_block(count, &mut body, &mut blocks)?;
        }
        let times = || events.iter().map(|event| event.timestamp);
        let first = times().min().unwrap_or_default();
        let last = times().max().unwrap_or_default();
        let listed = (hosts.len() <= HOSTS_MAX).then(|| {
            let mut names: Vec<String> = hosts.keys().cloned().collect();
            names.sort_unstable();
            names
        });
        let mut header = Header {
            frame_bytes: 0,
            count: to_u32(events.len())?,
            first,
            last,
            blocks,
            hosts: listed,
            crc: 0,
        };
        let bytes = assemble(&mut header, &body)?;
        Ok(Frame { bytes, header, raw_bytes, places, hosts })
    }

    fn close_block(
        &mut self,
        count: u32,
        body: &mut Vec<u8>,
        blocks: &mut Vec<Block>,
    ) -> std::io::Result<()> {
        let start = body.len();
        body.resize(start + zstd::zstd_safe::compress_bound(self.raw.len()), 0);
        let space = body.get_mut(start..).unwrap_or_default();
        let bytes = self.zstd.compress_to_buffer(&self.raw, space)?;
        body.truncate(start + bytes);
        blocks.push(Block {
            offset: start as u64,
            bytes: to_u32(bytes)?,
            raw: to_u32(self.raw.len())?,
            count,
            crc: crc32fast::hash(body.get(start..).unwrap_or_default()),
        });
        self.raw.clear();
        Ok(())
    }
}

fn summarise(hosts: &mut Hosts, event: &Event) {
    let at = event.timestamp;
    let summary = hosts.entry_ref(event.host()).or_insert_with(|| HostSummary {
        os: String::new(),
        events: 0,
        first: at,
        last: at,
    });
    if inference::is_judgement(event) {
        // What a model says of an endpoint is no event of it.
        return;
    }
    // Before its first event stand the times of a judgement, if of anything.
    let is_first = summary.events == 0;
    summary.events += 1;
    summary.first = if is_first { at } else { summary.first.min(at) };
    summary.last = if is_first { at } else { summary.last.max(at) };
    if summary.os.is_empty() {
        let said = event.str(field::HOST_OS_TYPE);
        let known = said.or_else(|| Platform::of(event).map(Platform::as_str));
        summary.os.push_str(known.unwrap_or_default());
    }
}

/// Put header and body together; block offsets become those from the frame's start.
fn assemble(header: &mut Header, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut variable = Vec::with_capacity(64);
    variable.extend(to_u32(header.blocks.len())?.to_le_bytes());
    for block in &header.blocks {
        for number in [block.bytes, block.raw, block.count, block.crc] {
            variable.extend(number.to_le_bytes());
        }
    }
    let any_host = u32::MAX;
    let hosts = header.hosts.as_deref();
    variable.extend(hosts.map_or(Ok(any_host), |names| to_u32(names.len()))?.to_le_bytes());
    for name in hosts.unwrap_or_default() {
        // A name is at most 64 KiB here; a longer one is cut, and searched by its cut form.
        let kept = cut(name);
        variable.extend(u16::try_from(kept.len()).unwrap_or(0).to_le_bytes());
        variable.extend(kept.as_bytes());
    }
    let mut bytes = Vec::with_capacity(FIXED_BYTES + variable.len() + body.len());
    bytes.extend(MAGIC);
    bytes.extend(to_u32(variable.len())?.to_le_bytes());
    bytes.extend(to_u32(body.len())?.to_le_bytes());
    bytes.extend(header.count.to_le_bytes());
    bytes.extend(header.first.0.to_le_bytes());
    bytes.extend(header.last.0.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes);
    crc.update(&variable);
    header.crc = crc.finalize();
    bytes.extend(header.crc.to_le_bytes());
    bytes.extend(&variable);
    let body_start = bytes.len() as u64;
    bytes.extend(body);
    header.frame_bytes = bytes.len() as u64;
    header.blocks.iter_mut().for_each(|block| block.offset += body_start);
    Ok(bytes)
}

/// The part of a host name that a header keeps.
pub(crate) fn cut(name: &str) -> &str {
    let mut end = name.len().min(usize::from(u16::MAX));
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// The whole header at the start of `bytes`; the body need not be there.
pub(crate) fn read_header(bytes: &[u8]) -> Result<Header, Bad> {
    let mut input = Input(bytes);
    let begun = bytes.get(..4.min(bytes.len())).unwrap_or_default();
    if ![MAGIC, MAGIC_BEFORE].iter().any(|magic| magic.starts_with(begun)) {
        return Err(Bad::Damaged);
    }
    let _magic = input.take(4)?;
    let header_bytes = input.u32()? as usize;
    let body_bytes = input.u32()?;
    let count = input.u32()?;
    let first = Timestamp(input.i64()?);
    let last = Timestamp(input.i64()?);
    let crc = input.u32()?;
    if header_bytes > HEADER_BYTES_MAX {
        return Err(Bad::Damaged);
    }
    let head_end = FIXED_BYTES + header_bytes;
    let variable = bytes.get(FIXED_BYTES..head_end).ok_or(Bad::Short(head_end as u64))?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(bytes.get(..FIXED_BYTES - 4).unwrap_or_default());
    hasher.update(variable);
    if hasher.finalize() != crc {
        return Err(Bad::Damaged);
    }
    let frame_bytes = head_end as u64 + u64::from(body_bytes);
    let mut rest = Input(variable);
    // The checksum holds: what fails now is damage, not a short read.
    let parsed = read_lists(&mut rest, head_end as u64).map_err(|_| Bad::Damaged)?;
    let (blocks, hosts) = parsed;
    let sum: u64 = blocks.iter().map(|block| u64::from(block.bytes)).sum();
    if sum != u64::from(body_bytes) {
        return Err(Bad::Damaged);
    }
    Ok(Header { frame_bytes, count, first, last, blocks, hosts, crc })
}

type Lists = (Vec<Block>, Option<Vec<String>>);

fn read_lists(input: &mut Input<'_>, body_start: u64) -> Result<Lists, Bad> {
    let mut offset = body_start;
    let block_count = input.u32()?;
    let mut blocks = Vec::new();
    for _ in 0..block_count {
        let block = Block {
            offset,
            bytes: input.u32()?,
            raw: input.u32()?,
            count: input.u32()?,
            crc: input.u32()?,
        };
        offset += u64::from(block.bytes);
        blocks.push(block);
    }
    let host_count = input.u32()?;
    if host_count == u32::MAX {
        return Ok((blocks, None));
    }
    let mut hosts = Vec::new();
    for _ in 0..host_count {
        let length = input.u16()?;
        let name = input.take(usize::from(length))?;
        hosts.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok((blocks, Some(hosts)))
}

/// Is the frame at the start of `bytes` there as a whole, with every checksum right?
pub(crate) fn check_whole(bytes: &[u8]) -> Result<Header, Bad> {
    let header = read_header(bytes)?;
    if (bytes.len() as u64) < header.frame_bytes {
        return Err(Bad::Short(header.frame_bytes));
    }
    for block in &header.blocks {
        let start = usize::try_from(block.offset).map_err(|_| Bad::Damaged)?;
        let packed = bytes.get(start..start + block.bytes as usize).ok_or(Bad::Damaged)?;
        if crc32fast::hash(packed) != block.crc {
            return Err(Bad::Damaged);
        }
    }
    Ok(header)
}

thread_local! {
    /// Making one costs a tenth of what unpacking a block does.
    static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Unpack a block. `None`: its checksum or its contents are wrong.
pub(crate) fn unpack(packed: &[u8], raw_bytes: u32, crc: Option<u32>) -> Option<Vec<u8>> {
    if crc.is_some_and(|crc| crc32fast::hash(packed) != crc) {
        return None;
    }
    let raw_bytes = raw_bytes as usize;
    if raw_bytes > RAW_BLOCK_BYTES_MAX {
        return None;
    }
    UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(known) => known,
            None => unpacker.insert(zstd::bulk::Decompressor::new().ok()?),
        };
        unpacker.decompress(packed, raw_bytes).ok().filter(|raw| raw.len() == raw_bytes)
    })
}

fn to_u32(number: usize) -> std::io::Result<u32> {
    u32::try_from(number).map_err(|_| {
        std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "one commit has more than 4 GiB of events",
        )
    })
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Bad::Short(0))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        self.take(N)?.try_into().map_err(|_| Bad::Damaged)
    }

    fn u16(&mut self) -> Result<u16, Bad> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Bad> {
        self.array().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Bad> {
        self.array().map(i64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::id::IdHasher;
    use crate::wire::event_v1;
    use proptest::prelude::*;

    fn events(count: u64, hosts: u64) -> Vec<Event> {
        (0..count)
            .map(|number| {
                let mut event = Event::with_capacity(4, 64);
                event.id = IdHasher::new("event").number(number).finish();
                event.timestamp = Timestamp(1_000_000 * (number as i64 - 3));
                event.push_str(field::HOST_NAME, &format!("h{}", number % hosts.max(1)));
                event.push_str(field::MESSAGE, &"abc\u{1b}[0m\"".repeat(number as usize % 200));
                event
            })
            .collect()
    }

    #[test]
    fn a_frame_gives_back_its_events_by_place() {
        let events = events(700, 5);
        let frame = Packer::new(1).unwrap().pack(&events).unwrap();
        let header = check_whole(&frame.bytes).unwrap();
        assert_eq!(header, frame.header);
        assert!(header.blocks.len() > 1);
        assert_eq!(header.hosts.as_ref().unwrap().len(), 5);
        assert_eq!(header.first, Timestamp(-3_000_000));
        for ((id, place), event) in frame.places.iter().zip(&events) {
            let block = header.blocks[place.block as usize];
            let start = block.offset as usize;
            let packed = &frame.bytes[start..start + block.bytes as usize];
            let raw = unpack(packed, block.raw, Some(block.crc)).unwrap();
            let line = &raw[place.start as usize..(place.start + place.length) as usize];
            let back = event_v1::read_line(line).unwrap();
            assert_eq!(*id, event.id);
            assert_eq!(&back, event);
        }
    }

    /// Written by the program of before: a line of Sysmon with quotes and a tab in it, and one of sshd.
    #[test]
    fn a_frame_of_before_is_read() {
        let bytes = include_bytes!("tests/frame_of_before.bin");
        assert!(bytes.starts_with(&MAGIC_BEFORE));
        let header = check_whole(bytes).unwrap();
        let [block] = header.blocks[..] else { panic!("{header:?}") };
        let packed = &bytes[block.offset as usize..];
        let raw = unpack(packed, block.raw, Some(block.crc)).unwrap();
        let lines = raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let events: Vec<Event> = lines.map(|line| event_v1::read_line(line).unwrap()).collect();
        assert_eq!(events.iter().map(Event::host).collect::<Vec<_>>(), ["fin-ws-01", "web-01"]);
        let original = events[0].str(field::EVENT_ORIGINAL).unwrap();
        assert!(
            original.ends_with(r#""CommandLine":"cmd.exe /c \"echo\tone\"","User":"FIN\\ada"}"#)
        );
        let again = Packer::new(1).unwrap().pack(&events).unwrap();
        assert!(again.bytes.starts_with(&MAGIC) && again.raw_bytes < u64::from(block.raw));
    }

    #[test]
    fn the_system_of_an_endpoint_is_known_from_what_it_logs() {
        let mut events = events(4, 4);
        events[1].push_str(field::EVENT_DATASET, "auditd.log");
        events[2].push_str(field::WINLOG_CHANNEL, "Security");
        events[3].push_str(field::HOST_OS_TYPE, "macos");
        let hosts = hosts_of(&events);
        let os: Vec<&str> = (0..4).map(|host| hosts[&format!("h{host}")].os.as_str()).collect();
        assert_eq!(os, ["", "linux", "windows", "macos"]);
    }

    #[test]
    fn what_models_say_of_an_endpoint_is_no_sight_of_it() {
        let mut all = events(3, 1);
        let mut judgement = all[0].clone();
        judgement.timestamp = Timestamp(9_000_000_000);
        judgement.set_str(field::EVENT_DATASET, inference::DATASET);
        all.insert(0, judgement);
        let hosts = Packer::new(1).unwrap().pack(&all).unwrap().hosts;
        let (first, last) = (all[1].timestamp, all[3].timestamp);
        assert_eq!((hosts["h0"].events, hosts["h0"].first, hosts["h0"].last), (3, first, last));
    }

    #[test]
    fn many_hosts_are_not_listed_and_cuts_and_flips_are_found() {
        let frame = Packer::new(1).unwrap().pack(&events(600, 600)).unwrap();
        assert_eq!(read_header(&frame.bytes).unwrap().hosts, None);
        let small = Packer::new(1).unwrap().pack(&events(3, 1)).unwrap().bytes;
        for end in 0..small.len() {
            assert!(matches!(check_whole(&small[..end]), Err(Bad::Short(_))), "cut at {end}");
        }
        for at in 0..small.len() {
            let mut bytes = small.clone();
            bytes[at] ^= 0x40;
            assert!(check_whole(&bytes).is_err(), "flip at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend(&bytes);
            prop_assert!(check_whole(&bytes).is_err());
            prop_assert!(check_whole(&with_magic).is_err());
            let _ = unpack(&bytes, 1_000, None);
        }
    }
}
