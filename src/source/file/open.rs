//! What a file holds by its first bytes, never by its name (or by the format that is forced), and the bounded
//! decompression of it.

use std::cell::Cell;
use std::io::{self, BufReader, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use super::FileSettings;
use crate::carrier::csv_rows::CsvRows;
use crate::carrier::fluent_forward::FluentForward;
use crate::carrier::journal_export::JournalExport;
use crate::carrier::json_documents::JsonDocuments;
use crate::carrier::otlp_messages::OtlpMessages;
use crate::carrier::splitter::Splitter;
use crate::carrier::syslog_frames::{Frames, SyslogFrames};
use crate::carrier::xml_events::XmlEvents;
use crate::carrier::{Bounds, evtx, journal_export, json_documents, syslog_frames, xml_events};

/// First bytes looked at to tell what a stream is.
pub const PEEK_BYTES: usize = 16 << 10;
/// A small file may compress as well as it likes.
const RATIO_FREE_BYTES: u64 = 16 << 20;
/// Largest window of a zstd frame: 128 MiB, the most that `zstd` decompresses unasked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The wrapper around the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// None.
    Plain,
    /// RFC 1952, one or more members.
    Gzip,
    /// RFC 8878, one or more frames.
    Zstd,
    /// An archive of streams.
    Zip,
}

/// How the bytes split into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Lines of text.
    Lines,
    /// A JSON array, or pretty-printed documents.
    Json,
    /// A Windows event log.
    Evtx,
    /// Windows events as XML.
    Xml,
    /// The systemd journal's export format.
    JournalExport,
    /// Syslog in frames.
    Frames(Frames),
    /// Rows below a row of column names.
    Csv,
    /// OpenTelemetry's protobuf messages.
    Otlp,
    /// Fluentd's forward protocol.
    Fluent,
}

impl Content {
    /// The carrier at the start of a stream; `None` for lines and event logs, which are not fed piece by piece.
    pub fn splitter(self, bounds: Bounds) -> Option<Splitter> {
        Some(match self {
            Content::Lines | Content::Evtx => return None,
            Content::Json => Splitter::Json(JsonDocuments::new(bounds)),
            Content::Xml => Splitter::Xml(XmlEvents::new(bounds)),
            Content::JournalExport => Splitter::Journal(JournalExport::new(bounds)),
            Content::Frames(frames) => Splitter::Frames(SyslogFrames::new(bounds, frames)),
            Content::Csv => Splitter::Csv(CsvRows::new(bounds)),
            Content::Otlp => Splitter::Otlp(OtlpMessages::new(bounds)),
            Content::Fluent => Splitter::Fluent(FluentForward::new(bounds)),
        })
    }
}

/// The wrapper by the first bytes of a file.
pub fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1f, 0x8b, 8, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Packing::Zip,
        _ => Packing::Plain,
    }
}

/// The carrier by the first bytes of a stream; `format` is `auto` or the name of a format that is forced. A stream
/// without bytes has lines, so that one that begins later is looked at then.
pub fn content(head: &[u8], format: &str) -> Content {
    if evtx::recognise(head) {
        return Content::Evtx;
    }
    if let Some(forced) = forced(format) {
        return if head.is_empty() { Content::Lines } else { forced };
    }
    if json_documents::recognise(head) {
        Content::Json
    } else if xml_events::recognise(head) {
        Content::Xml
    } else if journal_export::recognise(head) {
        Content::JournalExport
    } else if syslog_frames::recognise(head) {
        Content::Frames(Frames::Counted)
    } else {
        Content::Lines
    }
}

/// The carrier that the name of a format asks for.
fn forced(format: &str) -> Option<Content> {
    Some(match format {
        "windows_xml" => Content::Xml,
        "journal_export" => Content::JournalExport,
        "syslog_octet_counted" => Content::Frames(Frames::Counted),
        "syslog_length_prefixed" => Content::Frames(Frames::Prefixed),
        "csv" => Content::Csv,
        "otlp_protobuf" => Content::Otlp,
        "fluent_forward" => Content::Fluent,
        _ => return None,
    })
}

/// Decompresses, and fails with a reason when more comes out than the limits allow.
pub struct Unpacked<'a> {
    inner: Box<dyn Read + 'a>,
    bytes_in: Rc<Cell<u64>>,
    bytes_out: u64,
    bytes_max: u64,
    ratio_max: u64,
}

impl<'a> Unpacked<'a> {
    /// Wrap a compressed reader.
    ///
    /// # Errors
    /// The decoder cannot be made (out of memory).
    pub fn new(
        reader: impl Read + 'a,
        packing: Packing,
        settings: &FileSettings,
    ) -> io::Result<Unpacked<'a>> {
        let bytes_in = Rc::new(Cell::new(0));
        let counted = Counted { inner: reader, count: bytes_in.clone() };
        let inner: Box<dyn Read + 'a> = match packing {
            Packing::Gzip => {
                Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 << 10, counted)))
            }
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::new(counted)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Box::new(decoder)
            }
            Packing::Plain | Packing::Zip => Box::new(counted),
        };
        Ok(Unpacked {
            inner,
            bytes_in,
            bytes_out: 0,
            bytes_max: settings.decompressed_bytes_max,
            ratio_max: settings.decompression_ratio_max,
        })
    }
}

impl<'a> Unpacked<'a> {
    /// Bound a member of an archive that somebody else decompresses, by its compressed size.
    pub fn member(reader: impl Read + 'a, bytes_in: u64, settings: &FileSettings) -> Unpacked<'a> {
        Unpacked {
            inner: Box::new(reader),
            bytes_in: Rc::new(Cell::new(bytes_in)),
            bytes_out: 0,
            bytes_max: settings.decompressed_bytes_max,
            ratio_max: settings.decompression_ratio_max,
        }
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.bytes_out += count as u64;
        let bytes_in = self.bytes_in.get().max(1);
        if self.bytes_out > self.bytes_max {
            let text = format!("decompresses to more than {} bytes", self.bytes_max);
            return Err(io::Error::other(text));
        }
        if self.bytes_out > RATIO_FREE_BYTES && self.bytes_out / bytes_in > self.ratio_max {
            let text = format!("decompresses to more than {} times its size", self.ratio_max);
            return Err(io::Error::other(text));
        }
        Ok(count)
    }
}

struct Counted<T> {
    inner: T,
    count: Rc<Cell<u64>>,
}

impl<T: Read> Read for Counted<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// A reader whose first bytes have been looked at and are read again.
pub struct Peeked<'a> {
    head: io::Cursor<Vec<u8>>,
    error: Option<io::Error>,
    inner: &'a mut dyn Read,
}

impl<'a> Peeked<'a> {
    /// Look at the first bytes. An error in them comes up when they have been read.
    pub fn new(inner: &'a mut dyn Read) -> Peeked<'a> {
        let mut head = Vec::new();
        let error = Read::take(&mut *inner, PEEK_BYTES as u64).read_to_end(&mut head).err();
        Peeked { head: io::Cursor::new(head), error, inner }
    }

    /// The first bytes; fewer than [`PEEK_BYTES`] only when there are no more.
    pub fn head(&self) -> &[u8] {
        self.head.get_ref()
    }
}

impl Read for Peeked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.head.read(into)? {
            0 => match self.error.take() {
                Some(error) => Err(error),
                None => self.inner.read(into),
            },
            count => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::LimitsConfig;
    use crate::config::sources::SourceConfig;

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        assert_eq!(packing(b"\x1f\x8b\x08\0"), Packing::Gzip);
        assert_eq!(packing(&zstd::encode_all(&b"x"[..], 1).unwrap()), Packing::Zstd);
        assert_eq!(packing(b"PK\x03\x04"), Packing::Zip);
        assert_eq!(packing(b"PK"), Packing::Plain);
        assert_eq!(content(b"ElfFile\0", "auto"), Content::Evtx);
        assert_eq!(content(b"[{", "auto"), Content::Json);
        assert_eq!(content(b"<Event xmlns", "auto"), Content::Xml);
        assert_eq!(content(b"__CURSOR=s", "auto"), Content::JournalExport);
        assert_eq!(content(b"7 <34>one", "syslog"), Content::Frames(Frames::Counted));
        assert_eq!(content(b"a,b", "csv"), Content::Csv);
        assert_eq!(content(b"a,b", "auto"), Content::Lines);
        assert_eq!(content(b"", "auto"), Content::Lines);
        assert_eq!(content(b"", "windows_xml"), Content::Lines);
        assert_eq!(content(b"x", "windows_xml"), Content::Xml);
        assert_eq!(content(b"ElfFile\0", "windows_xml"), Content::Evtx);
    }

    #[test]
    fn more_than_the_limits_allow_is_refused() {
        let zeroes = vec![0_u8; 32 << 20];
        let packed = zstd::encode_all(&zeroes[..], 1).unwrap();
        let limits = LimitsConfig { decompressed_bytes_max: 1 << 20, ..LimitsConfig::default() };
        let config = SourceConfig::files("test", Vec::new());
        let read = |limits: &LimitsConfig| {
            let settings = FileSettings::new(&config, limits);
            let mut unpacked = Unpacked::new(&packed[..], Packing::Zstd, &settings).unwrap();
            io::copy(&mut unpacked, &mut io::sink()).map_err(|error| error.to_string())
        };
        assert!(read(&limits).unwrap_err().contains("more than 1048576 bytes"));
        assert!(read(&LimitsConfig::default()).unwrap_err().contains("1000 times"));
        let limits = LimitsConfig { decompression_ratio_max: 1 << 40, ..LimitsConfig::default() };
        assert_eq!(read(&limits), Ok(32 << 20));
    }

    #[test]
    fn an_error_in_the_first_bytes_comes_after_them() {
        struct Cut(usize);
        impl Read for Cut {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    return Err(io::Error::other("cut"));
                }
                let count = self.0.min(into.len());
                into[..count].fill(b'x');
                self.0 -= count;
                Ok(count)
            }
        }
        let mut cut = Cut(10);
        let mut peeked = Peeked::new(&mut cut);
        let mut seen = Vec::new();
        assert!(peeked.read_to_end(&mut seen).is_err());
        assert_eq!(seen, b"xxxxxxxxxx");
    }
}
