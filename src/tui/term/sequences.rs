//! Every sequence that we send, outside the frame encoder. The guard knows these and no others.

/// Alternate screen, bracketed paste, focus reports, cursor hidden.
pub const ENTER: &[u8] = b"\x1b[?1049h\x1b[?2004h\x1b[?1004h\x1b[?25l\x1b[0m\x1b[2J";

/// Everything back, whatever was on: synchronised output, attributes, margins, cursor shape, five mouse modes,
/// paste, focus, keyboard flags (of the alternate screen, which has its own), cursor, alternate screen.
pub const LEAVE: &[u8] =
    b"\x1b[?2026l\x1b[0m\x1b[r\x1b[0 q\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\
\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[<1u\x1b[?25h\x1b[?1049l\x1b[?25h";

/// Begin of a frame, for terminals that show frames at once.
pub const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";

/// End of a frame.
pub const SYNC_END: &[u8] = b"\x1b[?2026l";
