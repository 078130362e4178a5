//! The table of actions.

use crate::tui::action::{ActionSpec, Class, Kind, Param};

/// Declares the closed list of actions and their specifications.
macro_rules! actions {
    ($($id:ident $name:literal $class:ident [$($context:literal)+] $title:literal $doc:literal
        ($($param:expr),*) [$($alias:literal)*];)+) => {
        /// Every action by its identity.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ActionId { $(#[doc = $doc] $id),+ }

        impl ActionId {
            /// Its entry in the registry.
            pub fn spec(self) -> &'static ActionSpec {
                match self { $(ActionId::$id => {
                    const SPEC: &ActionSpec = &ActionSpec {
                        id: ActionId::$id, name: $name, title: $title, doc: $doc,
                        params: &[$($param),*], class: Class::$class,
                        contexts: &[$($context),+], aliases: &[$($alias),*],
                    };
                    SPEC
                })+ }
            }
        }

        pub(super) const ACTIONS: &[ActionSpec] = &[$(ActionSpec {
            id: ActionId::$id, name: $name, title: $title, doc: $doc,
            params: &[$($param),*], class: Class::$class,
            contexts: &[$($context),+], aliases: &[$($alias),*],
        }),+];
    };
}

const fn need(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, required: true }
}

const fn may(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, required: false }
}

const VERDICTS: Kind = Kind::Word(&[
    "true_positive",
    "false_positive",
    "benign_true_positive",
    "suspicious",
    "duplicate",
    "insufficient_data",
    "none",
]);
const STATES: Kind =
    Kind::Word(&["open", "acknowledged", "investigating", "resolved", "false_positive"]);
const SORTS: Kind = Kind::Word(&["risk", "time", "severity", "host", "owner"]);
const SAME: Kind = Kind::Word(&["rule", "host", "user", "group"]);

actions! {
    AlertVerdict "alert.verdict" U2 ["triage"] "Verdict" "Give a verdict to the alert or to all marked ones." (need("kind", VERDICTS)) ["verdict"];
    VerdictSheet "verdict.sheet" U0 ["triage"] "Verdict with note" "Open the sheet: verdict, reasons, confidence, note." () ["sheet"];
    AlertAssign "alert.assign" U2 ["triage"] "Assign" "Assign to `me`, to `none` or to a name; assigning to oneself acknowledges." (may("to", Kind::Text)) ["assign"];
    AlertStatus "alert.status" U2 ["triage"] "State" "Set the state by hand." (need("to", STATES)) ["state"];
    NoteCompose "note.compose" U0 ["triage"] "Note" "Write a note on the alert." () ["note"];
    AlertSnooze "alert.snooze" U2 ["triage"] "Snooze" "Hide the alert from the open queue for a while." (need("for", Kind::Duration)) ["snooze"];
    AlertWake "alert.wake" U2 ["triage"] "End snooze" "Bring a snoozed alert back." () ["wake"];
    RuleOff "rule.off" U3 ["triage"] "Switch rule off" "Switch the alert's rule off, with a reason; asks first." (may("reason", Kind::Text)) ["rule_off"];
    RuleRelease "rule.release" U3 ["triage"] "Release rule" "Let the alert's rule go on if it was parked for making too many alerts; those kept back appear." () ["release"];
    RuleOn "rule.on" U3 ["global"] "Switch rule on" "Switch a rule on again, by its id or for the alert under the cursor." (may("id", Kind::Text)) ["rule_on"];
    RepeatLast "triage.repeat_last" U2 ["triage"] "Repeat" "Do the last verdict, assignment or snooze again, here." () ["repeat"];
    NextUnhandled "triage.next_unhandled" U0 ["triage"] "Next unhandled" "Go to the next alert that is open, awake and not somebody else's." () ["next"];
    PreviousUnhandled "triage.previous_unhandled" U0 ["triage"] "Previous unhandled" "Go to the previous unhandled alert." () ["previous"];
    DetailTab "detail.tab" U0 ["triage"] "Tab" "Show a tab of the detail: 1 summary, 2 why, 3 raw, 4 history, 5 tree, 6 graph." (need("n", Kind::Number)) ["tab"];
    HostEvents "open.host_events" U0 ["triage" "endpoints" "endpoint"] "Host events" "The host's events around the alert." (may("minutes", Kind::Number)) ["events"];

    MarkToggle "mark.toggle" U1 ["list"] "Mark" "Mark or unmark the row." () [];
    MarkAllMatching "mark.all_matching" U1 ["list"] "Mark all" "Mark every row that the filter shows." () ["mark_all"];
    MarkInvert "mark.invert" U1 ["list"] "Invert marks" "Mark what is not marked and unmark what is." () [];
    MarkNone "mark.none" U1 ["list"] "No marks" "Unmark everything." () ["unmark"];
    MarkSame "mark.same" U1 ["list"] "Mark the same" "Mark every row with the same rule, host, user or group." (need("field", SAME)) ["mark_same"];

    CursorNext "cursor.next" U0 ["list"] "Down" "Next row." () [];
    CursorPrevious "cursor.previous" U0 ["list"] "Up" "Previous row." () [];
    CursorHalfDown "cursor.half_page_down" U0 ["list"] "Half page down" "Half a page down." () [];
    CursorHalfUp "cursor.half_page_up" U0 ["list"] "Half page up" "Half a page up." () [];
    CursorPageDown "cursor.page_down" U0 ["list"] "Page down" "A page down." () [];
    CursorPageUp "cursor.page_up" U0 ["list"] "Page up" "A page up." () [];
    CursorFirst "cursor.first" U0 ["list" "global"] "First" "First row or line." () ["first"];
    CursorLast "cursor.last" U0 ["list"] "Last" "Last row." () ["last"];
    OpenSelected "open.selected" U0 ["list"] "Open" "Open what is under the cursor." () ["open"];
    BundleView "bundle.toggle_view" U0 ["queue"] "Bundles" "One row a bundle of alerts that belong together, or one row an alert." () ["bundles"];
    BundleClose "bundle.close" U0 ["queue"] "Close bundle" "Close the bundle of the row under the cursor." () [];
    PreviewDown "preview.line_down" U0 ["queue"] "Preview down" "Scroll the preview down." () [];
    PreviewUp "preview.line_up" U0 ["queue"] "Preview up" "Scroll the preview up." () [];
    FilterAdd "filter.add" U0 ["queue" "chips"] "Filter" "Add a filter chip; every chip must match." (may("text", Kind::Text)) ["filter"];
    FilterEdit "filter.edit" U0 ["queue"] "Edit filter" "Edit, switch off or remove filter chips." () [];
    FilterToggleAll "filter.toggle_all" U0 ["queue" "chips"] "Filter on or off" "Switch all filter chips off and on; the cursor stays on its alert." () [];
    FilterRemove "filter.remove" U0 ["chips"] "Remove chip" "Remove the filter chip under the cursor." () [];
    SortBy "sort.by" U0 ["queue"] "Sort" "Sort the list." (need("field", SORTS)) ["sort"];
    SortInvert "sort.invert" U0 ["queue"] "Invert order" "Turn the order round." () [];

    DocDown "doc.line_down" U0 ["detail" "event"] "Down" "A line down." () [];
    DocUp "doc.line_up" U0 ["detail" "event"] "Up" "A line up." () [];
    DocHalfDown "doc.half_page_down" U0 ["detail" "event"] "Half page down" "Half a page down." () [];
    DocHalfUp "doc.half_page_up" U0 ["detail" "event"] "Half page up" "Half a page up." () [];
    DocPageDown "doc.page_down" U0 ["detail" "event"] "Page down" "A page down." () [];
    DocPageUp "doc.page_up" U0 ["detail" "event"] "Page up" "A page up." () [];
    DocTop "doc.top" U0 ["detail" "event"] "Top" "The first line." () [];
    DocBottom "doc.bottom" U0 ["detail" "event"] "Bottom" "The last line." () [];

    RawNext "raw.next_event" U0 ["detail"] "Next event" "The next evidence event, field by field; where a model says why, the next factor." () [];
    RawPrevious "raw.previous_event" U0 ["detail"] "Previous event" "The previous evidence event or factor." () [];
    WhyStrike "why.strike" U0 ["detail"] "Strike out" "What if: strike the factor under the cursor out, or put it back; the head line says what the score would be." () ["what_if"];

    EventsWider "events.wider" U0 ["events"] "Wider" "More minutes around the alert." () [];
    EventsNarrower "events.narrower" U0 ["events"] "Narrower" "Fewer minutes around the alert." () [];

    CopyId "copy.id" U0 ["triage"] "Copy id" "Copy the alert's id." () [];
    CopyHost "copy.host" U0 ["triage" "endpoints" "endpoint" "feedback"] "Copy host" "Copy the host's name." () [];
    CopyUser "copy.user" U0 ["triage"] "Copy user" "Copy the user's name." () [];
    CopySummary "copy.summary" U0 ["triage"] "Copy summary" "Copy the alert in a few lines of text." () [];

    OpenQueue "open.queue" U0 ["global"] "Queue" "Back to the queue." () ["queue"];
    OpenEndpoints "open.endpoints" U0 ["global"] "Endpoints" "The endpoints that have reported." () ["endpoints"];
    OpenEndpoint "open.endpoint" U0 ["triage" "endpoints" "feedback"] "Endpoint" "Everything about the endpoint of the row, or about the named one." (may("host", Kind::Text)) ["endpoint"];
    EndpointTab "endpoint.tab" U0 ["endpoint"] "Tab" "Show a tab of the endpoint: 1 now, 2 processes, 3 alerts, 4 insight, 5 scores." (need("n", Kind::Number)) [];
    TreeFold "tree.fold" U0 ["endpoint"] "Fold" "Hide the children of the process under the cursor, or show them again." () ["fold"];
    HostAlerts "open.host_alerts" U0 ["endpoints" "endpoint"] "Host alerts" "The queue with the open alerts of the endpoint." () [];
    OpenFeedback "open.feedback" U0 ["global"] "Feedback" "Where models and analysts do not agree." () ["feedback"];
    TogglePreview "view.toggle_preview" U0 ["queue"] "Preview" "Show or hide the preview." () ["preview"];
    ToggleWrap "view.toggle_wrap" U0 ["detail" "event"] "Wrap" "Wrap long lines or cut them." () ["wrap"];
    CycleTime "view.cycle_time" U0 ["global"] "Time form" "Show the times of all tables as ages, as times of day, as dates (UTC), or as each table does by itself." () [];
    ToggleHints "view.toggle_hints" U0 ["global"] "Hints" "Show or hide the line of hints." () ["hints"];
    ThemeNext "theme.next" U0 ["global"] "Theme" "The next theme." () ["theme"];
    Redraw "view.redraw" U0 ["global"] "Redraw" "Draw the whole screen again." () ["redraw"];
    Perf "view.perf" U0 ["global"] "Figures" "Frame times, bytes written and bytes refused." () ["perf"];
    Center "view.center" U0 ["list"] "Centre" "Bring the cursor's row to the middle." () [];

    HelpContext "help.context" U0 ["global" "confirm"] "Help" "The keys that work here." () ["help"];
    CommandOpen "command.open" U0 ["global"] "Command" "Type an action by name." () [];
    PaletteOpen "palette.open" U0 ["global"] "Palette" "Find any action by a few letters." () ["palette"];
    NavBack "nav.back" U0 ["global"] "Back" "Leave this screen." () ["back"];
    NavCancel "nav.cancel" U0 ["global"] "Cancel" "Drop what is half done: a chord, a search, a message." () ["cancel"];
    FocusNext "focus.next" U0 ["detail" "endpoint"] "Next tab" "Show the next tab." () [];
    FocusPrevious "focus.previous" U0 ["detail" "endpoint"] "Previous tab" "Show the previous tab." () [];
    Undo "undo" U2 ["global"] "Undo" "Take back what this desk did last; within ten seconds without a trace. What other desks did stays." () [];
    FreezeToggle "live.toggle_freeze" U0 ["global"] "Freeze" "Freeze the list, or let it live again." () ["freeze"];
    MergeNew "live.merge_new" U0 ["global"] "Merge new" "Bring in the alerts that arrived; the cursor stays on its alert." () ["merge"];
    TaskCancel "task.cancel_or_explain" U0 ["global"] "Cancel" "Cancel what is running, or say how to quit." () [];
    Suspend "app.suspend" U0 ["global"] "Suspend" "Stop the program; `fg` brings it back." () ["suspend"];
    Quit "app.quit" U0 ["global"] "Quit" "Quit. Actions within their undo window are kept; drafts too." () ["quit" "q"];

    TextSubmit "text.submit" U2 ["text" "text_row" "sheet"] "Apply" "Apply what was written." () [];
    TextCommandRow "text.command_row" U0 ["text"] "Command row" "Leave the text: then enter applies, q keeps the draft." () [];
    TextResume "text.resume" U0 ["text_row"] "Go on writing" "Back into the text." () [];
    TextKeepDraft "text.keep_draft" U1 ["text_row" "sheet"] "Keep draft" "Close and keep the draft." () [];
    TextDiscard "text.discard" U1 ["text_row"] "Discard" "Close and throw the draft away." () [];
    FieldNext "text.next_field" U0 ["text" "sheet"] "Next field" "Go to the next field." () [];
    FieldPrevious "text.previous_field" U0 ["text" "sheet"] "Previous field" "Go to the previous field." () [];
    SheetNext "sheet.next_choice" U0 ["sheet"] "Next choice" "The next choice of the field." () [];
    SheetPrevious "sheet.previous_choice" U0 ["sheet"] "Previous choice" "The previous choice of the field." () [];
    SheetToggle "sheet.toggle" U0 ["sheet"] "Choose" "Choose or unchoose." () [];
    SheetVerdict "sheet.verdict" U0 ["sheet"] "Verdict" "Choose a verdict by its letter." (need("kind", VERDICTS)) [];

    PromptAccept "prompt.accept" U0 ["prompt"] "Accept" "Accept the line." () [];
    PromptComplete "prompt.complete" U0 ["prompt"] "Complete" "Complete the word." () [];
    PromptHistoryPrevious "prompt.history_previous" U0 ["prompt"] "Earlier" "An earlier line." () [];
    PromptHistoryNext "prompt.history_next" U0 ["prompt"] "Later" "A later line." () [];
    PromptCancel "prompt.cancel" U0 ["prompt"] "Cancel" "Leave the line." () [];
    PickerRun "picker.run" U0 ["picker"] "Run" "Run the chosen entry." () [];
    PickerPrevious "picker.previous" U0 ["picker"] "Up" "Previous entry." () [];
    PickerNext "picker.next" U0 ["picker"] "Down" "Next entry." () [];
    PickerPageUp "picker.page_up" U0 ["picker"] "Page up" "A page up." () [];
    PickerPageDown "picker.page_down" U0 ["picker"] "Page down" "A page down." () [];
    PickerCancel "picker.cancel" U0 ["picker"] "Cancel" "Close." () [];
    ConfirmYes "confirm.yes" U0 ["confirm"] "Yes" "Do it." () [];
    ConfirmNo "confirm.no" U0 ["confirm"] "No" "Do not." () [];
    ConfirmDefault "confirm.default" U0 ["confirm"] "Safe answer" "The safe answer: no." () [];
    ConfirmExplain "confirm.explain" U0 ["confirm"] "Explain" "Say what would happen." () [];
}
