//! Roles: what a piece of the screen means. Theme files give roles their looks, by dotted name.

/// Declares the closed list of roles with their names in theme files.
macro_rules! roles {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// What a piece of the screen means; never what it looks like.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role { $(#[doc = $name] $variant),+ }

        impl Role {
            /// All roles.
            pub const ALL: &'static [Role] = &[$(Role::$variant),+];

            /// The name in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Role::$variant => $name),+ }
            }
        }
    };
}

roles! {
    Text = "text",
    TextDim = "text.dim",
    TextStrong = "text.strong",
    TextError = "text.error",
    TextWarning = "text.warning",
    TextOk = "text.ok",
    TextMatch = "text.match",
    Mark = "text.untrusted.mark",
    Header = "header",
    HeaderTitle = "header.title",
    HeaderNew = "header.new",
    Rule = "rule",
    RowCursor = "row.cursor",
    RowMarked = "row.marked",
    RowHandled = "row.handled",
    RowPending = "row.pending",
    SeverityCritical = "severity.critical",
    SeverityHigh = "severity.high",
    SeverityMedium = "severity.medium",
    SeverityLow = "severity.low",
    SeverityInfo = "severity.info",
    StateOpen = "state.open",
    StateAcknowledged = "state.acknowledged",
    StateInvestigating = "state.investigating",
    StateResolved = "state.resolved",
    StateFalsePositive = "state.false_positive",
    StateSnoozed = "state.snoozed",
    StateLive = "state.live",
    StateFrozen = "state.frozen",
    StateStale = "state.stale",
    Chip = "chip",
    ChipOff = "chip.off",
    Tab = "tab",
    TabActive = "tab.active",
    PaneFocus = "pane.focus",
    Field = "field",
    FieldLabel = "field.label",
    FieldActive = "field.active",
    FieldChosen = "field.chosen",
    Key = "key",
    Hint = "hint",
    HintUnavailable = "hint.unavailable",
    Status = "status",
    StatusUndo = "status.undo",
    StatusError = "status.error",
    Dialog = "dialog",
    DialogTitle = "dialog.title",
    DialogDanger = "dialog.danger",
}

/// Declares the closed list of glyphs with their names and built-in forms.
macro_rules! glyphs {
    ($($variant:ident = $name:literal, $unicode:literal, $ascii:literal);+ $(;)?) => {
        /// The signs of our own that a theme file may change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Glyph { $(#[doc = $name] $variant),+ }

        impl Glyph {
            /// All glyphs.
            pub const ALL: &'static [Glyph] = &[$(Glyph::$variant),+];

            /// The name in theme files.
            pub fn name(self) -> &'static str {
                match self { $(Glyph::$variant => $name),+ }
            }

            /// The built-in Unicode form.
            pub fn unicode(self) -> &'static str {
                match self { $(Glyph::$variant => $unicode),+ }
            }

            /// The built-in ASCII form, as wide as the Unicode one.
            pub fn ascii(self) -> &'static str {
                match self { $(Glyph::$variant => $ascii),+ }
            }
        }
    };
}

glyphs! {
    Cursor = "cursor", "▌", ">";
    Mark = "mark", "•", "*";
    Critical = "critical", "▲▲", "!!";
    High = "high", "▲ ", "! ";
    Medium = "medium", "■ ", "= ";
    Low = "low", "▪ ", "- ";
    Info = "info", "· ", ". ";
    Horizontal = "horizontal", "─", "-";
    Vertical = "vertical", "│", "|";
    Hidden = "hidden", "¤", "^";
    Snoozed = "snoozed", "◷", "z";
    Pending = "pending", "…", "~";
    On = "on", "x", "x";
    Unfold = "unfold", "▸", "+";
    Fold = "fold", "▾", "-";
    Level1 = "level.1", "▁", ".";
    Level2 = "level.2", "▂", ",";
    Level3 = "level.3", "▃", ":";
    Level4 = "level.4", "▄", ";";
    Level5 = "level.5", "▅", "=";
    Level6 = "level.6", "▆", "+";
    Level7 = "level.7", "▇", "*";
    Level8 = "level.8", "█", "#";
}
