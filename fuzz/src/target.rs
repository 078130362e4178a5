//! The targets: one row each. To add one, write a function that takes bytes and panics when something that must hold does
//! not, and add its row.

use crate::{carriers, families};

/// What one execution showed: hashes of the things that make it different from others (an action, a reason, the name of
/// a field). Input that shows something new is kept and mutated further.
#[derive(Debug, Default)]
pub struct Seen(pub Vec<u64>);

impl Seen {
    /// Note a fact.
    pub fn note(&mut self, kind: &str, what: &str) {
        let bytes = kind.bytes().chain([0]).chain(what.bytes());
        // FNV-1a.
        self.0.push(bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }));
    }

    /// Note something whose words are the input's own: it counts as one of a few, or everything would be new. Digits
    /// do not count.
    pub fn note_one_of(&mut self, kind: &str, what: &str, buckets: u64) {
        let words: String = what.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.note(kind, &words);
        if let Some(hash) = self.0.pop() {
            self.note(kind, &(hash % buckets).to_string());
        }
    }

    /// Note a size by its order of magnitude.
    pub fn size(&mut self, kind: &str, size: usize) {
        self.note(kind, &(usize::BITS - size.leading_zeros()).to_string());
    }
}

/// Something that reads what others wrote.
pub struct Target {
    /// For the command line.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Larger input is cut.
    pub bytes_max: usize,
    /// Words that the reader looks for; mutations put them in.
    pub words: &'static [&'static str],
    /// Is a piece of a file worth starting from?
    pub wants: fn(&[u8]) -> bool,
    /// Our own examples.
    pub examples: fn() -> Vec<Vec<u8>>,
    /// Read it. Panics when something that must hold does not.
    pub run: fn(&[u8], &mut Seen),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "lines",
        about: "carrier of lines: any split of the reads gives the same records",
        bytes_max: 8 << 10,
        words: &["\n", "\r\n", "\r", "\0", "\u{feff}", "\n\n\n"],
        wants: |_| true,
        examples: families::syslog_examples,
        run: carriers::lines,
    },
    Target {
        name: "json_documents",
        about: "carrier of JSON documents: any split of the reads gives the same records",
        bytes_max: 8 << 10,
        words: JSON_WORDS,
        wants: is_json,
        examples: families::json_examples,
        run: carriers::json_documents,
    },
    Target {
        name: "xml",
        about: "carrier of Windows events as XML, and the events in it",
        bytes_max: 12 << 10,
        words: XML_WORDS,
        wants: |bytes| contains(bytes, b"<Event"),
        examples: carriers::xml_examples,
        run: carriers::xml,
    },
    Target {
        name: "journal",
        about: "carrier of the systemd journal's export format, and the events in it",
        bytes_max: 8 << 10,
        words: JOURNAL_WORDS,
        wants: |bytes| contains(bytes, b"__REALTIME_TIMESTAMP"),
        examples: carriers::journal_examples,
        run: carriers::journal,
    },
    Target {
        name: "csv",
        about: "carrier of tables, and the events in it",
        bytes_max: 8 << 10,
        words: &[
            ",", ";", "\t", "|", "\"", "\"\"", "\r\n", "\n", "time", "host", "message", "\u{feff}",
        ],
        wants: |bytes| contains(bytes, b","),
        examples: carriers::csv_examples,
        run: carriers::csv,
    },
    Target {
        name: "otlp",
        about: "carrier of OpenTelemetry's protobuf messages, and the events in it",
        bytes_max: 4 << 10,
        words: BINARY_WORDS,
        wants: |_| false,
        examples: carriers::otlp_examples,
        run: carriers::otlp,
    },
    Target {
        name: "fluent",
        about: "carrier of Fluentd's forward protocol, and the events in it",
        bytes_max: 4 << 10,
        words: BINARY_WORDS,
        wants: |_| false,
        examples: carriers::fluent_examples,
        run: carriers::fluent,
    },
    Target {
        name: "syslog_frames",
        about: "carriers of framed syslog, chosen by the first byte, and the events in it",
        bytes_max: 4 << 10,
        words: SYSLOG_WORDS,
        wants: |_| false,
        examples: carriers::frame_examples,
        run: carriers::frames,
    },
    Target {
        name: "evtx",
        about: "carrier of Windows event logs, as a file and as a stream, and the events in them",
        bytes_max: 200 << 10,
        words: &["ElfFile\0", "ElfChnk\0", "**\0\0", "\u{f}\u{1}\u{1}\0"],
        wants: |bytes| bytes.starts_with(b"ElfFile\0"),
        examples: carriers::evtx_examples,
        run: carriers::evtx,
    },
    Target {
        name: "auto",
        about: "every decoder, chosen record by record",
        bytes_max: 8 << 10,
        words: MIXED_WORDS,
        wants: |_| true,
        examples: families::all_examples,
        run: |bytes, seen| families::run("auto", bytes, seen),
    },
    Target {
        name: "windows_json",
        about: "Windows events as JSON in every shape",
        bytes_max: 16 << 10,
        words: JSON_WORDS,
        wants: is_json,
        examples: families::windows_examples,
        run: |bytes, seen| families::run("windows_json", bytes, seen),
    },
    Target {
        name: "json",
        about: "JSON of any shape",
        bytes_max: 16 << 10,
        words: JSON_WORDS,
        wants: is_json,
        examples: families::json_examples,
        run: |bytes, seen| families::run("json", bytes, seen),
    },
    Target {
        name: "auditd",
        about: "records of the Linux audit system and the events joined from them",
        bytes_max: 16 << 10,
        words: AUDIT_WORDS,
        wants: |bytes| contains(bytes, b"audit("),
        examples: families::auditd_examples,
        run: |bytes, seen| families::run("auditd", bytes, seen),
    },
    Target {
        name: "syslog",
        about: "syslog lines and the programs in them",
        bytes_max: 8 << 10,
        words: SYSLOG_WORDS,
        wants: |bytes| !is_json(bytes),
        examples: families::syslog_examples,
        run: |bytes, seen| families::run("syslog", bytes, seen),
    },
    Target {
        name: "linux_programs",
        about: "the messages of Linux programs alone, without a syslog head: every family gets every message",
        bytes_max: 2 << 10,
        words: SYSLOG_WORDS,
        wants: |bytes| !is_json(bytes),
        examples: families::message_examples,
        run: families::programs,
    },
];

fn is_json(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

const JSON_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udc00\\ud800",
    "null",
    "true",
    "1e999",
    "-0",
    "9223372036854775808",
    "{\"a\":",
    "[[[[[[[[",
    "\"Event\":",
    "\"System\":",
    "\"EventData\":",
    "\"EventID\":",
    "\"winlog\":",
    "\"@timestamp\":",
    "\"Channel\":",
    "\"event_data\":",
    "\"UtcTime\":",
    "\"Hashes\":",
    "\"Message\":",
    "\"TimeCreated\":",
    "\"1601-01-01T00:00:00Z\"",
    "\"9999-12-31T23:59:60Z\"",
    "\u{feff}",
    "\n",
];

const AUDIT_WORDS: &[&str] = &[
    "type=",
    " msg=audit(",
    "audit(1.0:1): ",
    "node=",
    "SYSCALL",
    "EXECVE",
    "PATH",
    "CWD",
    "SOCKADDR",
    "PROCTITLE",
    "USER_AUTH",
    "USER_CMD",
    "AVC",
    "SECCOMP",
    "CONFIG_CHANGE",
    "TTY",
    "OBJ_PID",
    "BPF",
    "UNKNOWN[1300]",
    "EOE",
    " argc=",
    " a0=",
    " a1[0]=",
    " a1_len=",
    " saddr=02000050C0000207",
    " saddr=0A00",
    " name=",
    " nametype=CREATE",
    " nametype=PARENT",
    " cwd=",
    " exe=",
    " comm=",
    " key=",
    " exit=-13",
    " success=no",
    " msg='",
    "'",
    "\"",
    "(null)",
    " op=",
    " acct=",
    " addr=192.0.2.7",
    " res=failed",
    "\u{1d}",
    "UID=\"root\"",
    "{ read }",
    "4294967295",
    "-1",
    "/../",
    "C3A9",
    "00",
    "\n",
];

const SYSLOG_WORDS: &[&str] = &[
    "<34>1 ",
    "<13>",
    "Feb 29 10:00:00 ",
    "2026-02-30T25:61:61Z ",
    " sshd[1]: ",
    " sudo: ",
    " su: ",
    " login: ",
    " CRON[1]: ",
    " kernel: ",
    " systemd[1]: ",
    " useradd[1]: ",
    " dropbear[1]: ",
    " firewalld[1]: ",
    "Failed password for ",
    "Accepted publickey for ",
    "invalid user ",
    " from ",
    " port ",
    " ssh2",
    "[preauth]",
    "error: ",
    "pam_unix(sshd:auth): ",
    "authentication failure; ",
    "rhost=",
    "user=",
    " : TTY=",
    " ; COMMAND=",
    "(root) CMD (",
    "message repeated 4000000000 times: [ ",
    "last message repeated 2 times",
    "IN=eth0 OUT= ",
    " SRC=192.0.2.1 DST=192.0.2.2 ",
    " [SRC=",
    "Out of memory: Killed process ",
    " (",
    ")",
    "'",
    "`",
    "\"",
    ": ",
    "\\",
    "[x@1 a=\"",
    "]",
    "\u{feff}",
    "\u{1b}[31m",
    "\u{202e}",
    "\n",
];

const XML_WORDS: &[&str] = &[
    "<Event>",
    "</Event>",
    "<Event xmlns='x'>",
    "<Events>",
    "<System>",
    "</System>",
    "<EventData>",
    "<Data Name=\"",
    "\">",
    "</Data>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "<?xml version=\"1.0\"?>",
    "<!DOCTYPE x [",
    "&amp;",
    "&#x0;",
    "&#1114112;",
    "&bad;",
    "<",
    ">",
    "/>",
    "\"",
    "'",
    "<EventID Qualifiers=\"0\">",
    "<UserData>",
    "<RenderingInfo>",
    "\u{feff}",
    "\n",
];

const JOURNAL_WORDS: &[&str] = &[
    "\n",
    "\n\n",
    "=",
    "MESSAGE=",
    "MESSAGE\n",
    "__CURSOR=",
    "__REALTIME_TIMESTAMP=",
    "_HOSTNAME=",
    "_PID=",
    "PRIORITY=",
    "SYSLOG_IDENTIFIER=",
    "_AUDIT_TYPE=1300",
    "_TRANSPORT=audit",
    "\u{1}\0\0\0\0\0\0\0",
    "\0\0\0\0\0\0\0\0",
    "\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}",
];

const BINARY_WORDS: &[&str] = &[
    "\0",
    "\u{1}",
    "\n\u{1}",
    "\u{12}\u{2}",
    "\u{1a}",
    "\u{7f}",
    "\u{80}\u{80}\u{80}\u{80}",
    "\u{ff}",
    "*\u{3}",
    "log",
    "tag",
    "trace",
    "service.name",
    "gen_ai.system",
    "message",
    "\u{91}",
    "\u{c4}",
    "\u{d9}",
    "\u{dc}",
    "\u{df}",
];

const MIXED_WORDS: &[&str] = &[
    "CEF:0|",
    "LEEF:2.0|",
    "|",
    "=",
    " src=192.0.2.1",
    " dst=192.0.2.2",
    " msg=",
    "\\=",
    "\\|",
    "\\n",
    "cs1Label=",
    "devname=",
    " logid=",
    "<Event>",
    "\"message\":\"",
    "{\"log\":\"",
    "2026-02-22T10:00:00.123456789Z stdout F ",
    "2026-02-22T10:00:00Z stderr P ",
    "date=2026-02-22 time=10:00:00 ",
    "%ASA-6-302013: ",
    "%SYS-5-CONFIG_I: ",
    "1,2026/02/22 10:00:00,",
    "192.0.2.1 - - [22/Feb/2026:10:00:00 +0000] \"GET / HTTP/1.1\" 200 5",
    "type=SYSCALL msg=audit(1.0:1): ",
    "<34>1 ",
    "Feb 22 10:00:00 ",
    " sshd[1]: ",
    " kernel: ",
    " postfix/smtpd[1]: ",
    "level=error ",
    "time=\"2026-02-22T10:00:00Z\" ",
    "[[[[",
    "{{{{",
    "\\\\\\\\",
    "\"\"\"\"",
    "\t",
    "\n",
    "\0",
    "\u{1b}[0m",
];
