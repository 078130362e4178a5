//! Layout classes: decided by size alone, looked at anew on every frame.

/// How the queue is arranged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The list alone.
    Tiny,
    /// The list over a preview of a few lines.
    Compact,
    /// The list over a tall preview.
    Standard,
}

/// Rows that the loop keeps for status and hints; sizes in the design count them.
const LOOP_ROWS: u16 = 2;
/// List rows in standard, with the column titles.
const STANDARD_LIST_ROWS: u16 = 15;
/// Preview lines in compact, with the rule above.
const COMPACT_PREVIEW_ROWS: u16 = 7;

impl Layout {
    /// The class of a view's size.
    pub fn of(width: u16, height: u16) -> Layout {
        let rows = height.saturating_add(LOOP_ROWS);
        if width < 60 || rows < 16 {
            Layout::Tiny
        } else if width < 100 || rows < 30 {
            Layout::Compact
        } else {
            Layout::Standard
        }
    }
}

/// Rows of the queue's parts. They add up to the view's height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// One row of header.
    pub header: bool,
    /// One row of chips.
    pub chips: bool,
    /// The list has a row of column titles.
    pub columns: bool,
    /// Rows of the list, with the titles.
    pub list: u16,
    /// Rows of the preview, with its rule.
    pub preview: u16,
}

impl Parts {
    /// Share out the rows of a view.
    pub fn of(layout: Layout, height: u16, preview: bool) -> Parts {
        if layout == Layout::Tiny {
            let header = height > 3;
            let list = height - u16::from(header);
            return Parts { header, chips: false, columns: false, list, preview: 0 };
        }
        let rest = height - 2;
        let preview = match layout {
            _ if !preview => 0,
            Layout::Standard => rest.saturating_sub(STANDARD_LIST_ROWS),
            Layout::Compact | Layout::Tiny => COMPACT_PREVIEW_ROWS.min(rest / 2),
        };
        Parts { header: true, chips: true, columns: true, list: rest - preview, preview }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fill_every_height() {
        for width in [0, 59, 60, 99, 100, 300] {
            for height in 0..120 {
                let parts = Parts::of(Layout::of(width, height), height, true);
                let sum =
                    u16::from(parts.header) + u16::from(parts.chips) + parts.list + parts.preview;
                assert_eq!(sum, height, "{width}x{height}");
            }
        }
        assert_eq!(Layout::of(80, 22), Layout::Compact);
        assert_eq!(Layout::of(120, 38), Layout::Standard);
    }
}
