//! A mapping file as it is meant: compiled by [`super::compile`], run by [`super::apply`].

use std::sync::{Arc, OnceLock};

use ahash::AHashMap;
use regex::{Regex, RegexBuilder};

use crate::model::class::Class;
use crate::model::ecs::Type;
use crate::model::event::Value;
use crate::model::field::FieldId;
use crate::normalise::mapping::literals::Candidates;
use crate::normalise::mapping::read::Read;

/// Compiled size one expression may have; one that needs more is refused by `formats check`.
pub const EXPRESSION_BYTES_MAX: usize = 4 << 20;

/// One mapping file.
#[derive(Debug)]
pub struct Mapping {
    /// Its name: that of the file. Forces it (`--as NAME`).
    pub name: Arc<str>,
    /// Where it was read from.
    pub file: Arc<str>,
    /// One line for people.
    pub title: String,
    /// What stands before the names of fields that nobody mapped.
    pub namespace: String,
    /// `event.provider`.
    pub provider: String,
    /// `event.dataset`.
    pub dataset: String,
    /// Which records it is for.
    pub claim: Claim,
    /// What its events are unless a pattern or condition says otherwise.
    pub kind: Then,
    /// How times are read.
    pub time: Times,
    /// How texts are split.
    pub reads: Vec<Read>,
    /// Expressions over texts.
    pub groups: Vec<Group>,
    /// What becomes of a fact.
    pub fields: AHashMap<FieldId, Vec<Put>>,
    /// Conditions over facts, in order.
    pub whens: Vec<When>,
    /// Facts that nobody mapped and that carry ECS names are taken as they are.
    pub ecs: bool,
    /// The fact (or the object of facts) that holds a further record, and what it says of that record.
    pub inner: Option<Inner>,
    /// What it leaves for later records of the stream.
    pub remember: Option<Remember>,
    /// A line that names the columns of the lines after it.
    pub header: Option<Header>,
    /// The key of the list whose elements are the records.
    pub explode: Option<Box<str>>,
    /// The line each key of the file stands in, for explanations: of the file's head.
    pub line: u32,
}

/// Which records a mapping is for.
#[derive(Debug, Default)]
pub struct Claim {
    /// Syslog programs in lower case; a star at the end stands for any rest.
    pub programs: Vec<String>,
    /// The look of a whole line (or of a syslog message of a program that nobody claims).
    pub lines: Vec<Pattern>,
    /// The keys of a JSON object.
    pub json: Vec<Signature>,
    /// CEF and LEEF: vendor and product in lower case; an empty product stands for any.
    pub vendors: Vec<(String, String)>,
}

/// What a JSON object must have.
#[derive(Debug)]
pub struct Signature {
    /// These leaves.
    pub has: Vec<FieldId>,
    /// These leaves with one of these values.
    pub conditions: Vec<(FieldId, Matcher)>,
}

/// Records that belong together: what the first says is given to the second.
#[derive(Debug)]
pub struct Remember {
    /// Facts that name the pair.
    pub key: Vec<FieldId>,
    /// Which records are kept.
    pub keep: Vec<(FieldId, Matcher)>,
    /// Which records take what was kept and they do not say themselves.
    pub take: Vec<(FieldId, Matcher)>,
}

/// A line that names columns.
#[derive(Debug)]
pub struct Header {
    /// With the capture `columns`.
    pub pattern: Pattern,
    /// What stands between the columns; a blank stands for any run of them.
    pub between: char,
}

/// A further record within one.
#[derive(Debug)]
pub struct Inner {
    /// Names of facts that may hold it, the first that is there counts.
    pub from: Vec<FieldId>,
    /// The program that wrote it, if a fact names it: the inner text is then its message.
    pub program: Vec<FieldId>,
    /// Its process id.
    pub pid: Vec<FieldId>,
}

impl Inner {
    /// Is a fact (part of) the inner record, or said of it only to find its program?
    pub fn takes(&self, name: FieldId) -> bool {
        let below = |from: &FieldId| {
            let rest = name.name().strip_prefix(from.name());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.from.iter().any(below) || self.program.contains(&name) || self.pid.contains(&name)
    }
}

/// How times are read.
#[derive(Debug, Default)]
pub struct Times {
    /// Facts that state it, in order of trust; several names of one entry are joined by a blank.
    pub from: Vec<Vec<FieldId>>,
    /// `strptime` formats tried before the usual ones.
    pub formats: Vec<String>,
    /// Seconds east of UTC of a time that states no zone, if the format fixes it.
    pub utc: bool,
    /// Numbers are hundred-nanosecond steps and the like: divide by this to get seconds.
    pub per_second: Option<f64>,
}

/// Expressions over one text, tried in order.
#[derive(Debug)]
pub struct Group {
    /// The text's name.
    pub on: FieldId,
    /// The expressions.
    pub list: Vec<Pattern>,
    candidates: OnceLock<Candidates>,
}

impl Group {
    /// For the text of this name.
    pub fn new(on: FieldId) -> Group {
        Group { on, list: Vec::new(), candidates: OnceLock::new() }
    }

    /// The expressions that can match a text, in order.
    pub fn candidates(&self, text: &str) -> Vec<&Pattern> {
        let make = || Candidates::new(self.list.iter().map(|pattern| pattern.source.as_str()));
        let numbers = self.candidates.get_or_init(make).of(text);
        numbers.into_iter().filter_map(|number| self.list.get(number)).collect()
    }

    /// Does any expression match?
    pub fn knows(&self, text: &str) -> bool {
        let matches =
            |pattern: &&Pattern| pattern.regex().is_some_and(|regex| regex.is_match(text));
        self.candidates(text).iter().any(matches)
    }
}

/// One expression. It is compiled when it is first needed: most programs never see most formats.
#[derive(Debug)]
pub struct Pattern {
    /// The expression.
    pub source: String,
    /// What the event is when it matches.
    pub then: Then,
    /// Go on with the expressions after it.
    pub also: bool,
    /// Its line in the file.
    pub line: u32,
    compiled: OnceLock<Option<(Regex, Vec<Capture>)>>,
}

/// Where a named group goes.
#[derive(Debug)]
pub struct Capture {
    /// The group's number.
    pub group: usize,
    /// The name without `__2`.
    pub name: Box<str>,
    /// A name with a point is a field of the event, another one a fact.
    pub field: Option<(FieldId, Type)>,
    /// The field holds a list: a further value is added.
    pub list: bool,
}

impl Pattern {
    /// An expression that is compiled later.
    pub fn new(source: String, then: Then, also: bool, line: u32) -> Pattern {
        Pattern { source, then, also, line, compiled: OnceLock::new() }
    }

    /// The compiled expression; `None`: it is none ([`Pattern::check`] said why).
    pub fn regex(&self) -> Option<&Regex> {
        self.compiled().map(|(regex, _)| regex)
    }

    /// Where its groups go.
    pub fn captures(&self) -> &[Capture] {
        self.compiled().map_or(&[], |(_, captures)| captures)
    }

    /// Compile it now.
    ///
    /// # Errors
    /// It is no expression, or too large.
    pub fn check(&self) -> Result<Regex, regex::Error> {
        RegexBuilder::new(&self.source).size_limit(EXPRESSION_BYTES_MAX).build()
    }

    fn compiled(&self) -> Option<&(Regex, Vec<Capture>)> {
        let make = || {
            let regex = self.check().ok()?;
            let captures = captures(&regex);
            Some((regex, captures))
        };
        self.compiled.get_or_init(make).as_ref()
    }
}

fn captures(regex: &Regex) -> Vec<Capture> {
    let named = regex.capture_names().enumerate();
    named
        .filter_map(|(group, name)| {
            let name = name?;
            let name = name.split_once("__").map_or(name, |(name, _)| name);
            let field = name.contains('.').then(|| FieldId::intern(name)).flatten();
            let kind = crate::model::ecs::type_of(name).unwrap_or(Type::Keyword);
            let list = crate::model::ecs::is_list(name);
            Some(Capture {
                group,
                name: name.into(),
                field: field.map(|field| (field, kind)),
                list,
            })
        })
        .collect()
}

/// What an event is: what a pattern, a condition or the file as a whole says.
#[derive(Debug, Default)]
pub struct Then {
    /// For routing.
    pub class: Option<Class>,
    /// `event.category`.
    pub category: Vec<Box<str>>,
    /// `event.type`.
    pub types: Vec<Box<str>>,
    /// `event.action`.
    pub action: Option<Template>,
    /// `event.outcome`.
    pub outcome: Option<Template>,
    /// Fields with fixed or composed values, replacing what was there.
    pub set: Vec<(FieldId, Type, Vec<Template>)>,
    /// Its line in the file.
    pub line: u32,
}

/// Text with names of facts in braces.
#[derive(Debug)]
pub struct Template(pub Vec<Piece>);

/// A part of a [`Template`].
#[derive(Debug)]
pub enum Piece {
    /// As it stands.
    Text(Box<str>),
    /// The value of a fact.
    Fact(FieldId),
}

/// What becomes of a fact.
#[derive(Debug)]
pub struct Put {
    /// The field; `None`: it is dropped.
    pub field: Option<FieldId>,
    /// Of what type the field's values are.
    pub kind: Type,
    /// Values by other words.
    pub lookup: Option<Lookup>,
    /// Multiply a number by this.
    pub scale: Option<f64>,
    /// In lower case.
    pub lower: bool,
    /// A list in one text, divided by this.
    pub split: Option<Box<str>>,
    /// The fact stays under its own name too.
    pub keep: bool,
    /// Its line in the file.
    pub line: u32,
}

/// A table of words.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// In lower case → what to write.
    pub table: Arc<AHashMap<Box<str>, Box<str>>>,
    /// For words that are not in it; `None`: as they are.
    pub otherwise: Option<Box<str>>,
}

/// A condition and what holds then.
#[derive(Debug)]
pub struct When {
    /// All of these.
    pub all: Vec<(FieldId, Matcher)>,
    /// One of these, unless there are none.
    pub any: Vec<(FieldId, Matcher)>,
    /// What holds then.
    pub then: Then,
}

/// A test of one fact.
#[derive(Debug)]
pub enum Matcher {
    /// One of these texts, without regard to ASCII case.
    Equals(Vec<Box<str>>),
    /// It begins with one of these.
    Prefix(Vec<Box<str>>),
    /// It ends with one of these.
    Suffix(Vec<Box<str>>),
    /// One of these is in it.
    Contains(Vec<Box<str>>),
    /// The expression matches.
    Regex(Box<Pattern>),
    /// It is there (or is not).
    Exists(bool),
    /// The number is at least this.
    AtLeast(f64),
    /// The number is less than this.
    Below(f64),
    /// The other test does not hold.
    Not(Box<Matcher>),
}

impl Matcher {
    /// Does a value pass?
    pub fn holds(&self, value: Option<Value<'_>>) -> bool {
        match self {
            Matcher::Exists(wanted) => return value.is_some() == *wanted,
            Matcher::Not(inner) => return !inner.holds(value),
            _ => {}
        }
        let Some(value) = value else { return false };
        let text = value.to_text();
        let any =
            |list: &[Box<str>], test: &dyn Fn(&str) -> bool| list.iter().any(|word| test(word));
        match self {
            Matcher::Equals(list) => any(list, &|word| text.eq_ignore_ascii_case(word)),
            Matcher::Prefix(list) => any(list, &|word| text.starts_with(word)),
            Matcher::Suffix(list) => any(list, &|word| text.ends_with(word)),
            Matcher::Contains(list) => any(list, &|word| text.contains(word)),
            Matcher::Regex(pattern) => pattern.regex().is_some_and(|regex| regex.is_match(&text)),
            Matcher::AtLeast(limit) => number(value).is_some_and(|number| number >= *limit),
            Matcher::Below(limit) => number(value).is_some_and(|number| number < *limit),
            Matcher::Exists(_) | Matcher::Not(_) => false,
        }
    }
}

/// The value as a number, if it is or spells one.
pub fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        Value::Str(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Null => None,
    }
}
