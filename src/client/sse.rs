//! Server-sent events out of bytes, as far as `/stream` uses them: `id`, `data`, comments.

/// A longer event ends the connection.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Its id, to resume after.
    pub id: Option<String>,
    /// Its data.
    pub data: String,
}

/// The event is longer than anything the daemon sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
pub(super) struct TooLong;

/// Takes bytes as they arrive, in any pieces.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    open: Message,
    has_data: bool,
}

impl Parser {
    /// Take some bytes; finished events go to `out`.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<(), TooLong> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + self.open.data.len() + piece.len() > EVENT_BYTES_MAX {
                return Err(TooLong);
            }
            self.line.extend_from_slice(piece);
            if self.line.last() == Some(&b'\n') {
                let line = std::mem::take(&mut self.line);
                self.finish_line(&line, out);
            }
        }
        Ok(())
    }

    fn finish_line(&mut self, line: &[u8], out: &mut Vec<Message>) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            let message = std::mem::take(&mut self.open);
            if std::mem::take(&mut self.has_data) {
                out.push(message);
            }
            return;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => self.open.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.open.data.push('\n');
                }
                self.has_data = true;
                self.open.data.push_str(value);
            }
            // Comments (an empty name) are heartbeats; `event` repeats what the data says.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = ": hello\n\nid: 7-1\nevent: alert\ndata: {\"a\":\"é: b\"}\n\n: beat\n\ndata: x\ndata: y\r\n\r\n";

    fn expected() -> Vec<Message> {
        vec![
            Message { id: Some("7-1".into()), data: "{\"a\":\"é: b\"}".into() },
            Message { id: None, data: "x\ny".into() },
        ]
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(cuts in prop::collection::vec(0..TEXT.len(), 0..8)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let mut out = Vec::new();
            let mut start = 0;
            for cut in cuts.into_iter().chain([TEXT.len()]) {
                parser.take(&TEXT.as_bytes()[start..cut], &mut out).unwrap();
                start = cut;
            }
            prop_assert_eq!(out, expected());
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Vec::new();
            prop_assert!(Parser::default().take(&bytes, &mut out).is_ok());
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let mut out = Vec::new();
        let piece = vec![b'x'; 1 << 20];
        let refused = (0..9).find_map(|_| parser.take(&piece, &mut out).err());
        assert_eq!(refused, Some(TooLong));
    }
}
