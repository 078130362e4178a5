//! RELP's frames: `TXNR COMMAND LENGTH[ DATA]\n`, numbers in digits. Read piece by piece; of data that is too long only
//! the head is kept.

use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;

/// Digits of a transaction number and of a length.
const DIGITS_MAX: usize = 9;
/// Letters of a command.
const COMMAND_MAX: usize = 32;
/// The longest head: two numbers, a command, three blanks or line ends.
const HEAD_MAX: usize = 2 * DIGITS_MAX + COMMAND_MAX + 3;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The sender's number of it.
    pub txnr: u32,
    /// What it asks for.
    pub command: String,
    /// Its data, or only the head of it.
    pub data: Vec<u8>,
    /// How long the data was said to be.
    pub length: usize,
}

impl Frame {
    /// Was some of the data let go?
    pub fn is_too_long(&self) -> bool {
        self.data.len() < self.length
    }
}

/// Bytes that are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no RELP frame: {0}")]
pub struct Broken(pub &'static str);

/// Splits a stream of bytes into frames.
#[derive(Debug)]
pub struct Frames {
    max: usize,
    held: Vec<u8>,
    at: usize,
    open: Option<(Frame, usize)>,
}

impl Frames {
    /// A splitter at the start of a connection; of data over `max` bytes only a head is kept.
    pub fn new(max: usize) -> Frames {
        Frames { max, held: Vec::new(), at: 0, open: None }
    }

    /// Take what came. Ask for frames before more is fed.
    pub fn feed(&mut self, piece: &[u8]) {
        self.held.drain(..self.at.min(self.held.len()));
        self.at = 0;
        self.held.extend_from_slice(piece);
    }

    /// Is a frame begun and not complete?
    pub fn is_open(&self) -> bool {
        self.open.is_some() || self.at < self.held.len()
    }

    /// What was read and is in no frame yet, for a person who looks for what went wrong.
    pub fn rest(&self) -> &[u8] {
        let rest = self.held.get(self.at..).unwrap_or_default();
        rest.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(rest)
    }

    /// The next frame; `None`: more bytes are needed.
    ///
    /// # Errors
    /// What follows is no frame, and nothing says where the next one begins.
    pub fn next(&mut self) -> Result<Option<Frame>, Broken> {
        if self.open.is_none() {
            let rest = self.held.get(self.at..).unwrap_or_default();
            let Some((frame, used)) = head(rest)? else { return Ok(None) };
            let left = frame.length;
            self.at += used;
            self.open = Some((frame, left));
        }
        let Some((frame, left)) = &mut self.open else { return Ok(None) };
        let rest = self.held.get(self.at..).unwrap_or_default();
        let count = rest.len().min(*left);
        let keep = match frame.length > self.max {
            true => REJECT_HEAD_BYTES_MAX.min(self.max).saturating_sub(frame.data.len()).min(count),
            false => count,
        };
        frame.data.extend_from_slice(rest.get(..keep).unwrap_or_default());
        self.at += count;
        *left -= count;
        if *left > 0 {
            return Ok(None);
        }
        match self.held.get(self.at) {
            None => Ok(None),
            Some(b'\n') => {
                self.at += 1;
                Ok(self.open.take().map(|(frame, _)| frame))
            }
            Some(_) => Err(Broken("no line end behind the data")),
        }
    }
}

/// Everything before the data, and how many bytes it takes.
fn head(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Broken> {
    let Some((txnr, used)) = number(bytes, 0, "the transaction number")? else { return Ok(None) };
    if bytes.get(used) != Some(&b' ') {
        return wait(bytes, used, "no blank behind the transaction number");
    }
    let from = used + 1;
    let rest = bytes.get(from..).unwrap_or_default();
    let letters = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if letters > COMMAND_MAX {
        return Err(Broken("the command is too long"));
    }
    let used = from + letters;
    if letters == 0 || bytes.get(used) != Some(&b' ') {
        return wait(bytes, used, "no command");
    }
    let command = rest.get(..letters).unwrap_or_default();
    let command = String::from_utf8_lossy(command).into_owned();
    let Some((length, used)) = number(bytes, used + 1, "the length")? else { return Ok(None) };
    let length = usize::try_from(length).map_err(|_| Broken("the length"))?;
    let used = match (length, bytes.get(used)) {
        (0, Some(b'\n')) => used,
        (_, Some(b' ')) => used + 1,
        _ => return wait(bytes, used, "no blank behind the length"),
    };
    Ok(Some((Frame { txnr, command, data: Vec::new(), length }, used)))
}

/// Digits from `from` on; the number and where they end. `None`: more may come.
fn number(bytes: &[u8], from: usize, what: &'static str) -> Result<Option<(u32, usize)>, Broken> {
    let rest = bytes.get(from..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits > DIGITS_MAX || (digits == 0 && !rest.is_empty()) {
        return Err(Broken(what));
    }
    if digits == rest.len() {
        return Ok(None);
    }
    let text = std::str::from_utf8(rest.get(..digits).unwrap_or_default()).unwrap_or_default();
    let number = text.parse().map_err(|_| Broken(what))?;
    Ok(Some((number, from + digits)))
}

/// More bytes may put it right, as long as there is none where it is wrong.
fn wait<T>(bytes: &[u8], at: usize, what: &'static str) -> Result<Option<T>, Broken> {
    if bytes.len() <= at && bytes.len() < HEAD_MAX { Ok(None) } else { Err(Broken(what)) }
}

/// An answer to a frame.
pub fn response(txnr: u32, data: &str) -> Vec<u8> {
    match data.is_empty() {
        true => format!("{txnr} rsp 0\n").into_bytes(),
        false => format!("{txnr} rsp {} {data}\n", data.len()).into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(bytes: &[u8], piece: usize, max: usize) -> (Vec<Frame>, Option<Broken>) {
        let mut frames = Frames::new(max);
        let mut seen = Vec::new();
        for piece in bytes.chunks(piece) {
            frames.feed(piece);
            loop {
                match frames.next() {
                    Ok(Some(frame)) => seen.push(frame),
                    Ok(None) => break,
                    Err(broken) => return (seen, Some(broken)),
                }
            }
        }
        (seen, None)
    }

    #[test]
    fn frames_with_and_without_data() {
        // The data of the first holds a line end, and so does that of the second.
        let bytes = b"1 open 4 a=b\n\n2 syslog 5 <1>a\n\n3 close 0\n4 syslog 0 \n";
        let (seen, broken) = split(bytes, 3, 100);
        assert_eq!(broken, None);
        let texts: Vec<_> =
            seen.iter().map(|it| (it.txnr, it.command.as_str(), it.data.len())).collect();
        assert_eq!(texts, [(1, "open", 4), (2, "syslog", 5), (3, "close", 0), (4, "syslog", 0)]);
    }

    #[test]
    fn garbage_is_found_at_once() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x16\x03\x01",
            b"1 syslog x",
            b"1234567890 a",
            b"1 sy$log 3 ",
            b"1 open 3 abcd",
            b"1  ",
        ] {
            assert!(split(bytes, 1, 100).1.is_some(), "{bytes:?}");
            assert!(split(bytes, 100, 100).1.is_some(), "{bytes:?}");
        }
        for bytes in [&b"1"[..], b"1 ", b"1 open", b"1 open 12", b"1 open 3 ab", b"1 open 3 abc"] {
            assert_eq!(split(bytes, 100, 100), (Vec::new(), None), "{bytes:?}");
        }
    }

    #[test]
    fn of_long_data_the_head_is_kept() {
        let bytes = [&b"1 syslog 9 "[..], b"<1>abcdef", b"\n2 syslog 4 <1>x\n"].concat();
        let (seen, broken) = split(&bytes, 2, 5);
        assert_eq!(broken, None);
        assert_eq!((seen[0].data.as_slice(), seen[0].is_too_long()), (&b"<1>ab"[..], true));
        assert_eq!((seen[1].data.as_slice(), seen[1].is_too_long()), (&b"<1>x"[..], false));
    }

    proptest! {
        #[test]
        fn frames_come_back_however_they_are_cut(
            sent in proptest::collection::vec((0_u32..1_000_000_000, "[a-z]{1,32}", proptest::collection::vec(any::<u8>(), 0..40)), 0..10),
            piece in 1_usize..50,
        ) {
            let mut bytes = Vec::new();
            for (txnr, command, data) in &sent {
                bytes.extend(format!("{txnr} {command} {}", data.len()).bytes());
                if !data.is_empty() { bytes.push(b' '); }
                bytes.extend(data);
                bytes.push(b'\n');
            }
            let (seen, broken) = split(&bytes, piece, 1000);
            prop_assert_eq!(broken, None);
            let seen: Vec<_> = seen.into_iter().map(|it| (it.txnr, it.command, it.data)).collect();
            prop_assert_eq!(seen, sent);
        }

        #[test]
        fn any_bytes_do_no_harm_and_any_cutting_gives_the_same(
            parts in proptest::collection::vec(prop_oneof![
                Just(&b"1 syslog 5 <1>a\n\n"[..]), Just(&b"2 "[..]), Just(&b"close 0\n"[..]), Just(&b"99"[..]), Just(&b"\n"[..]), Just(&b"\xff"[..]), Just(&b"3 a 7 "[..]),
            ], 0..20),
            piece in 1_usize..20, max in 1_usize..10,
        ) {
            let bytes = parts.concat();
            let (some, broken) = split(&bytes, piece, max);
            let (all, also) = split(&bytes, 10_000, max);
            prop_assert_eq!(some, all);
            prop_assert_eq!(broken.is_some(), also.is_some());
        }
    }
}
