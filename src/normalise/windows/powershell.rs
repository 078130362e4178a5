//! PowerShell's events, and what its two logs say in running text: `Name=value` lines in the classic log, `Name = value` lines in
//! `ContextInfo`. The text holds the command line of the host, which its user chose, so what follows it is looked for behind the
//! last line that must come after it.

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::windows::Fields;
use crate::normalise::windows::kinds::{Family, How, Map, Rule, Spec, by_reporter, family, kinds};
use crate::normalise::windows::values;

const SCRIPT: &[Map] = &[
    ("ScriptBlockText", How::Copy, field::POWERSHELL_SCRIPT_BLOCK_TEXT),
    ("ScriptBlockId", How::Copy, field::POWERSHELL_SCRIPT_BLOCK_ID),
    ("MessageNumber", How::Number, field::POWERSHELL_SEQUENCE),
    ("MessageTotal", How::Number, field::POWERSHELL_TOTAL),
    ("Path", How::File, field::FILE_PATH),
];
const RUN: &[Map] = &[
    ("ScriptBlockId", How::Copy, field::POWERSHELL_SCRIPT_BLOCK_ID),
    ("RunspaceId", How::Copy, field::POWERSHELL_RUNSPACE_ID),
];

/// The classic log, and the operational one of Windows PowerShell and PowerShell 7.
pub const FAMILIES: &[Family] = &[
    family(&["powershell"], CLASSIC),
    by_reporter(&["microsoft-windows-powershell", "powershellcore"], OPERATIONAL),
];

const CLASSIC: &[Spec] = kinds! {
    [400] ScriptBlock ["process"] ["start"] "engine-started" AUDIT [];
    [403] ScriptBlock ["process"] ["end"] "engine-stopped" AUDIT [];
    [500] ScriptBlock ["process"] ["start"] "command-started" AUDIT [];
    [501] ScriptBlock ["process"] ["end"] "command-stopped" AUDIT [];
    [600] ScriptBlock ["process"] ["info"] "provider-started" AUDIT [];
    [800] ScriptBlock ["process"] ["info"] "pipeline-executed" AUDIT [];
};

const OPERATIONAL: &[Spec] = kinds! {
    [4100, 4101, 4102] ScriptBlock ["process"] ["error"] "command-failed" FAILURE [];
    [4103] ScriptBlock ["process"] ["info"] "command-invoked" AUDIT [];
    [4104] ScriptBlock ["process"] ["info"] "script-block-run" AUDIT [SCRIPT];
    [4105] ScriptBlock ["process"] ["start"] "script-block-started" AUDIT [RUN];
    [4106] ScriptBlock ["process"] ["end"] "script-block-ended" AUDIT [RUN];
    [8193, 8194, 8195, 8196, 8197, 12039, 24577, 32784, 32868] Other ["process"] ["info"] "runspace-reported" AUDIT [];
    [40961, 40962, 53504, 53506, 53507] Other ["process"] ["start"] "console-started" AUDIT [];
};

/// The line whose value its user chose.
const CHOSEN: &str = "HostApplication";
/// The first line that must stand behind it.
const BEHIND: &str = "EngineVersion";
/// The line that is last, and takes all that follows: what it says may have several lines.
const LAST: &str = "CommandLine";

/// What each line means; names without blanks.
const LINES: &[(&str, How, FieldId)] = &[
    ("SequenceNumber", How::Number, field::EVENT_SEQUENCE),
    ("DetailSequence", How::Number, field::POWERSHELL_SEQUENCE),
    ("DetailTotal", How::Number, field::POWERSHELL_TOTAL),
    ("UserId", How::Account, field::USER_NAME),
    ("User", How::Account, field::USER_NAME),
    ("ConnectedUser", How::Copy, field::POWERSHELL_CONNECTED_USER),
    ("HostVersion", How::Copy, field::POWERSHELL_HOST_VERSION),
    ("NewEngineState", How::Copy, field::POWERSHELL_ENGINE_NEW_STATE),
    ("PreviousEngineState", How::Copy, field::POWERSHELL_ENGINE_PREVIOUS_STATE),
    ("ProviderName", How::Copy, field::POWERSHELL_PROVIDER_NAME),
    ("NewProviderState", How::Copy, field::POWERSHELL_PROVIDER_STATE),
    (BEHIND, How::Copy, field::POWERSHELL_ENGINE_VERSION),
    ("RunspaceId", How::Copy, field::POWERSHELL_RUNSPACE_ID),
    ("RunspaceID", How::Copy, field::POWERSHELL_RUNSPACE_ID),
    ("PipelineId", How::Copy, field::POWERSHELL_PIPELINE_ID),
    ("PipelineID", How::Copy, field::POWERSHELL_PIPELINE_ID),
    ("CommandName", How::Copy, field::POWERSHELL_COMMAND_NAME),
    ("CommandType", How::Copy, field::POWERSHELL_COMMAND_TYPE),
    ("ScriptName", How::File, field::FILE_PATH),
    ("CommandPath", How::Copy, field::POWERSHELL_COMMAND_PATH),
    ("ShellID", How::Copy, field::POWERSHELL_ID),
    (LAST, How::Copy, field::POWERSHELL_COMMAND_VALUE),
];

/// Read the text of an event of either log into its fields.
pub fn unfold(event: &mut Event, code: u32, fields: &Fields) {
    let texts: &[Option<FieldId>] = match code {
        400 | 403 | 500 | 501 | 600 | 800 => &[fields.data, fields.param3, fields.param2],
        4100..=4103 => &[fields.context_info],
        _ => return,
    };
    let found = texts.iter().copied().flatten().find_map(|id| {
        let mut all = event.all(id).filter_map(Value::as_str);
        all.find(|text| text.lines().any(|line| is_line(line, CHOSEN)))
    });
    let Some(text) = found.map(str::to_owned) else { return };
    read(event, &text);
}

fn read(event: &mut Event, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    let chosen = lines.iter().position(|line| is_line(line, CHOSEN)).unwrap_or(lines.len());
    let behind = lines.iter().rposition(|line| is_line(line, BEHIND)).filter(|at| *at > chosen);
    let (head, rest) = lines.split_at_checked(chosen).unwrap_or((&lines, &[]));
    let length = behind.map_or(rest.len().min(1), |behind| behind - chosen);
    let (command, tail) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    lines_into(event, head);
    if let Some((first, more)) = command.split_first() {
        let first = value_of(first);
        let command = [&[first][..], more].concat().join("\n");
        let command = command.trim();
        if !command.is_empty() {
            event.fill_str(field::PROCESS_COMMAND_LINE, command);
            event.fill_str(field::PROCESS_NAME, program_of(command));
        }
    }
    lines_into(event, tail);
}

fn lines_into(event: &mut Event, lines: &[&str]) {
    for (at, line) in lines.iter().enumerate() {
        let known = LINES.iter().find(|(name, ..)| is_line(line, name));
        let Some((name, how, to)) = known else { continue };
        if *name == LAST {
            let more = lines.get(at + 1..).unwrap_or_default();
            let text = [&[value_of(line)][..], more].concat().join("\n");
            event.fill_str(*to, text.trim());
            return;
        }
        let rule = Rule { how: *how, to: *to, moved: false };
        values::apply(event, rule, Value::Str(value_of(line).trim()));
    }
}

/// Is this the line of that name? Blanks in names are passed over.
fn is_line(line: &str, name: &str) -> bool {
    let key = line.split_once('=').map_or("", |(key, _)| key);
    key.bytes().filter(|byte| !byte.is_ascii_whitespace()).eq(name.bytes())
}

fn value_of(line: &str) -> &str {
    line.split_once('=').map_or("", |(_, value)| value)
}

/// The base name of the program that a command line begins with; empty when that is no program file.
fn program_of(command: &str) -> &str {
    let first = match command.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or_default(),
        None => command.split_once(' ').map_or(command, |(first, _)| first),
    };
    let name = values::base_name(first);
    let is_program = name.len() > 4
        && name.get(name.len() - 4..).is_some_and(|end| end.eq_ignore_ascii_case(".exe"));
    if is_program { name } else { "" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_text(text: &str) -> Event {
        let mut event = Event::with_capacity(8, 256);
        read(&mut event, text);
        event
    }

    #[test]
    fn the_classic_text_is_read() {
        let event = read_text(
            "\tNewEngineState=Available\n\tPreviousEngineState=None\n\n\tSequenceNumber=13\n\n\tHostName=ConsoleHost\n\tHostVersion=5.1.1\n\tHostId=a-b\n\tHostApplication=C:\\Windows\\powershell.exe -c \"a\nb\"\n\tEngineVersion=5.1\n\tRunspaceId=r\n\tPipelineId=\n\tCommandName=\n\tScriptName=C:\\x\\y.ps1\n\tCommandLine=one\ntwo=2",
        );
        let text = |id| event.str(id);
        assert_eq!(text(field::POWERSHELL_ENGINE_NEW_STATE), Some("Available"));
        assert_eq!(event.get(field::EVENT_SEQUENCE), Some(Value::Int(13)));
        assert_eq!(
            text(field::PROCESS_COMMAND_LINE),
            Some("C:\\Windows\\powershell.exe -c \"a\nb\"")
        );
        assert_eq!(text(field::PROCESS_NAME), Some("powershell.exe"));
        assert_eq!(text(field::POWERSHELL_ENGINE_VERSION), Some("5.1"));
        assert_eq!(text(field::FILE_NAME), Some("y.ps1"));
        assert_eq!(text(field::POWERSHELL_COMMAND_VALUE), Some("one\ntwo=2"));
        assert!(!event.has(field::POWERSHELL_PIPELINE_ID));
    }

    #[test]
    fn the_context_of_a_command_is_read() {
        let event = read_text(
            "        Severity = Informational\r\n        Host Name = ConsoleHost\r\n        Host Application = powershell -nop\r\n        Engine Version = 5.1\r\n        Command Name = Start-Job\r\n        Command Type = Cmdlet\r\n        Script Name = \r\n        User = EXAMPLE\\alice\r\n        Connected User = \r\n        Shell ID = Microsoft.PowerShell\r\n",
        );
        assert_eq!(event.str(field::PROCESS_COMMAND_LINE), Some("powershell -nop"));
        assert!(!event.has(field::PROCESS_NAME), "not a file's name");
        assert_eq!(event.str(field::POWERSHELL_COMMAND_NAME), Some("Start-Job"));
        assert_eq!(event.str(field::USER_NAME), Some("alice"));
        assert_eq!(event.str(field::USER_DOMAIN), Some("EXAMPLE"));
        assert_eq!(event.str(field::POWERSHELL_ID), Some("Microsoft.PowerShell"));
    }

    #[test]
    fn a_command_line_cannot_forge_the_lines_behind_it() {
        let event = read_text(
            "HostApplication=powershell -c 'x\nUser=NT AUTHORITY\\SYSTEM\nEngineVersion=9\nScriptName=C:\\no.ps1'\nEngineVersion=5.1\nUser=EXAMPLE\\bob",
        );
        assert_eq!(event.str(field::USER_NAME), Some("bob"));
        assert_eq!(event.str(field::POWERSHELL_ENGINE_VERSION), Some("5.1"));
        assert!(!event.has(field::FILE_PATH));
        assert!(event.str(field::PROCESS_COMMAND_LINE).unwrap().ends_with("no.ps1'"));
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in "[\\t =\\nA-Za-z]{0,40}(HostApplication|EngineVersion|User|CommandLine)?=?\\PC{0,40}") {
            let _ = read_text(&text);
        }
    }
}
