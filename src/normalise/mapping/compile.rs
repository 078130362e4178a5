//! A mapping file's text becomes a [`Mapping`]; everything wrong with it is reported at once, with its line.

use std::sync::Arc;

use ahash::AHashMap;

use crate::model::class::Class;
use crate::model::ecs::{self, Type};
use crate::model::field::FieldId;
use crate::normalise::mapping::MappingProblem;
use crate::normalise::mapping::conditions::{header, matchers, number_of, remember, whens};
use crate::normalise::mapping::read::{How, Read};
use crate::normalise::mapping::rules::{
    Claim, EXPRESSION_BYTES_MAX, Group, Inner, Lookup, Mapping, Matcher, Pattern, Piece, Put,
    Signature, Template, Then, Times,
};
use crate::normalise::mapping::written::{File, Keys, texts};

type Tables = AHashMap<String, Arc<AHashMap<Box<str>, Box<str>>>>;
/// Parts of expressions by name.
pub(super) type Vars = Vec<(String, String)>;

/// How deep parts of expressions may use each other.
const VARS_DEPTH_MAX: usize = 8;

/// Compile a file. Expressions are compiled later unless `check` is set.
pub fn compile(
    name: &str,
    file_name: &Arc<str>,
    text: &str,
    check: bool,
) -> Result<Mapping, Vec<MappingProblem>> {
    let mut file = File::new(Arc::clone(file_name), text);
    let Some(parsed) = file.parse() else { return Err(file.problems) };
    let mut keys = Keys::new(parsed.get_ref(), 0, "");
    let mapping = mapping(name, file_name, &mut keys, &mut file);
    keys.finish(&mut file);
    if check {
        check_expressions(&mapping, &mut file);
    }
    if file.problems.is_empty() { Ok(mapping) } else { Err(file.problems) }
}

fn mapping(
    name: &str,
    file_name: &Arc<str>,
    keys: &mut Keys<'_, '_>,
    file: &mut File<'_>,
) -> Mapping {
    let tables = tables(keys, file);
    let vars = vars(keys, file);
    let title = keys.text("title", file).unwrap_or("").to_owned();
    if title.is_empty() {
        file.complain(0, "title", "every mapping needs a title".to_owned());
    }
    let provider = keys.text("provider", file).unwrap_or(name).to_owned();
    let namespace = keys.text("namespace", file).unwrap_or(name).to_owned();
    let dataset =
        keys.text("dataset", file).map_or_else(|| format!("{provider}.log"), str::to_owned);
    Mapping {
        name: name.into(),
        file: Arc::clone(file_name),
        title,
        namespace,
        provider,
        dataset,
        claim: claim(keys, &vars, file),
        kind: then(keys, file),
        time: times(keys, file),
        reads: reads(keys, file),
        groups: groups(keys, &vars, file),
        fields: fields(keys, &tables, file),
        whens: whens(keys, &vars, file),
        ecs: keys.truth("ecs", file),
        inner: inner(keys, file),
        remember: remember(keys, &vars, file),
        header: header(keys, &vars, file),
        explode: keys.text("explode", file).map(Into::into),
        line: 1,
    }
}

fn tables(keys: &mut Keys<'_, '_>, file: &mut File<'_>) -> Tables {
    let mut found = Tables::new();
    let Some(all) = keys.table("tables", file) else { return found };
    for (name, item) in all.all() {
        let path = all.path(name);
        let Some(table) = item.value.as_table() else {
            file.complain(item.at, &path, "expected a table of words".to_owned());
            continue;
        };
        let mut words = AHashMap::new();
        for (word, item) in Keys::new(table, item.at, &path).all() {
            match item.value.as_str() {
                Some(text) => {
                    words.insert(word.to_ascii_lowercase().into(), text.into());
                }
                None => {
                    file.complain(item.at, &format!("{path}.{word}"), "expected text".to_owned())
                }
            }
        }
        found.insert(name.to_owned(), Arc::new(words));
    }
    found
}

/// `[vars]`: parts of expressions, longest name first. `{{ip}}`, `{{word}}` are there always.
fn vars(keys: &mut Keys<'_, '_>, file: &mut File<'_>) -> Vars {
    let mut vars: Vars = [
        ("ip", r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(?:%\w+)?)"),
        ("host", r"[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z])?"),
        ("int", r"[+-]?\d+"),
        ("word", r"\S+"),
        ("quoted", r#"(?:[^"\\]|\\.)*"#),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    let Some(own) = keys.table("vars", file) else { return vars };
    for (name, item) in own.all() {
        match item.value.as_str() {
            Some(text) => vars.insert(0, (name.to_owned(), text.to_owned())),
            None => file.complain(item.at, &own.path(name), "expected text".to_owned()),
        }
    }
    vars
}

pub(super) fn substitute(text: &str, vars: &Vars) -> String {
    let mut out = text.to_owned();
    // A part may use others; one that uses itself is left as it is and refused as an expression.
    for _ in 0..VARS_DEPTH_MAX {
        let before = out.len();
        for (name, part) in vars {
            let place = format!("{{{{{name}}}}}");
            if out.contains(&place) && out.len() < EXPRESSION_BYTES_MAX {
                out = out.replace(&place, part);
            }
        }
        if out.len() == before || !out.contains("{{") {
            break;
        }
    }
    out
}

fn claim(keys: &mut Keys<'_, '_>, vars: &Vars, file: &mut File<'_>) -> Claim {
    let programs = keys.texts("programs", file).iter().map(|name| name.to_lowercase()).collect();
    let mut claim = Claim { programs, ..Claim::default() };
    for mut table in keys.tables("line", file) {
        claim.lines.extend(pattern(&mut table, vars, file));
        table.finish(file);
    }
    for mut table in keys.tables("json", file) {
        let has = names(&table.texts("has", file));
        let conditions = match table.table("where", file) {
            Some(conditions) => matchers(&conditions, vars, file),
            None => Vec::new(),
        };
        if has.is_empty() && conditions.is_empty() {
            file.complain(table.at(), "json", "needs `has` or `where`".to_owned());
        }
        claim.json.push(Signature { has, conditions });
        table.finish(file);
    }
    for mut table in keys.tables("vendor", file) {
        let vendor = table.text("vendor", file).unwrap_or("").to_lowercase();
        for product in table.texts("product", file) {
            claim.vendors.push((vendor.clone(), product.to_lowercase()));
        }
        table.finish(file);
    }
    claim
}

pub(super) fn then(keys: &mut Keys<'_, '_>, file: &mut File<'_>) -> Then {
    let mut then = Then { line: file.line(keys.at()), ..Then::default() };
    if let Some(word) = keys.text("class", file) {
        then.class = Class::parse(word);
        if then.class.is_none() {
            let known = Class::ALL.iter().map(|class| class.as_str()).collect();
            let near = crate::config::reader::nearest(word, known);
            file.complain(keys.at(), &keys.path("class"), format!("{word:?} is no class ({near})"));
        }
    }
    then.category = keys.texts("category", file).into_iter().map(Into::into).collect();
    then.types = keys.texts("type", file).into_iter().map(Into::into).collect();
    then.action = keys.text("action", file).map(template);
    then.outcome = keys.text("outcome", file).map(template);
    if let Some(set) = keys.table("set", file) {
        for (name, item) in set.all() {
            let path = set.path(name);
            let values = match item.value.as_integer() {
                Some(number) => vec![template(number.as_str())],
                None => texts(item, &path, file).into_iter().map(template).collect(),
            };
            if let Some((field, kind)) = target(name, item.at, &path, file) {
                then.set.push((field, kind, values));
            }
        }
    }
    then
}

/// A field of an event: of the schema, or one of our declared names.
fn target(name: &str, at: usize, path: &str, file: &mut File<'_>) -> Option<(FieldId, Type)> {
    let kind = ecs::type_of(name);
    let own = name.contains('.') || name == "message" || name == "tags";
    if kind.is_none() && !own {
        file.complain(at, path, format!("{name:?} is no field of ECS, and has no prefix"));
        return None;
    }
    Some((FieldId::intern(name)?, kind.unwrap_or(Type::Object)))
}

fn template(text: &str) -> Template {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.into()));
        }
        if let Some(field) = FieldId::intern(name) {
            pieces.push(Piece::Fact(field));
        }
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Template(pieces)
}

fn times(keys: &mut Keys<'_, '_>, file: &mut File<'_>) -> Times {
    let mut times = Times::default();
    let Some(mut table) = keys.table("time", file) else {
        times.from = FieldId::intern("time").map(|field| vec![field]).into_iter().collect();
        return times;
    };
    for entry in table.texts("from", file) {
        times.from.push(entry.split(' ').filter_map(FieldId::intern).collect());
    }
    times.formats = table.texts("formats", file).into_iter().map(str::to_owned).collect();
    times.utc = table.truth("utc", file);
    times.per_second = table.item("per_second").and_then(number_of);
    if times.from.is_empty() {
        times.from = FieldId::intern("time").map(|field| vec![field]).into_iter().collect();
    }
    table.finish(file);
    times
}

fn reads(keys: &mut Keys<'_, '_>, file: &mut File<'_>) -> Vec<Read> {
    let mut list = Vec::new();
    for mut table in keys.tables("read", file) {
        let on = table.text("on", file).unwrap_or("message");
        let one =
            |text: Option<&str>, other: char| text.and_then(|t| t.chars().next()).unwrap_or(other);
        let equals = one(table.text("equals", file), '=');
        let between = one(table.text("between", file), ' ');
        let columns = table.texts("columns", file).into_iter().map(str::to_owned).collect();
        let how = match table.text("as", file) {
            Some("pairs") => How::Pairs { equals, between },
            Some("cef") => How::Cef,
            Some("leef") => How::Leef,
            Some("json") => How::Json,
            Some("query") => How::Query,
            Some("named") => {
                let part = |text: Option<&str>, other: &str| text.unwrap_or(other).to_owned();
                let name = part(table.text("name", file), "name");
                let value = part(table.text("value", file), "value");
                How::Named { list: on.to_owned(), name, value }
            }
            Some("columns") => {
                let divider = if between == ' ' { ',' } else { between };
                How::Columns { divider: u8::try_from(divider).unwrap_or(b','), names: columns }
            }
            _ => {
                let kinds = "expected one of pairs, cef, leef, json, query, columns, named";
                file.complain(table.at(), &table.path("as"), kinds.to_owned());
                continue;
            }
        };
        let prefix = table.text("prefix", file).unwrap_or("").to_owned();
        if let Some(on) = FieldId::intern(on) {
            list.push(Read { on, how, prefix });
        }
        table.finish(file);
    }
    list
}

fn groups(keys: &mut Keys<'_, '_>, vars: &Vars, file: &mut File<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for mut table in keys.tables("pattern", file) {
        let on = table.text("on", file).unwrap_or("message");
        let Some(on) = FieldId::intern(on) else { continue };
        let found = pattern(&mut table, vars, file);
        table.finish(file);
        let Some(pattern) = found else { continue };
        match groups.iter_mut().find(|group| group.on == on) {
            Some(group) => group.list.push(pattern),
            None => {
                let mut group = Group::new(on);
                group.list.push(pattern);
                groups.push(group);
            }
        }
    }
    groups
}

pub(super) fn pattern(
    table: &mut Keys<'_, '_>,
    vars: &Vars,
    file: &mut File<'_>,
) -> Option<Pattern> {
    let then = then(table, file);
    let also = table.truth("also", file);
    let line = file.line(table.at());
    let Some(source) = table.text("match", file) else {
        file.complain(table.at(), &table.path("match"), "an expression is missing".to_owned());
        return None;
    };
    Some(Pattern::new(substitute(source, vars), then, also, line))
}

fn fields(
    keys: &mut Keys<'_, '_>,
    tables: &Tables,
    file: &mut File<'_>,
) -> AHashMap<FieldId, Vec<Put>> {
    let mut found = AHashMap::new();
    let Some(all) = keys.table("fields", file) else { return found };
    for (name, item) in all.all() {
        let path = all.path(name);
        let Some(from) = FieldId::intern(name) else { continue };
        let puts = match item.value.as_table() {
            Some(table) => {
                let mut keys = Keys::new(table, item.at, &path);
                let puts = put(&mut keys, tables, file);
                keys.finish(file);
                puts
            }
            None => {
                let line = file.line(item.at);
                let names = texts(item, &path, file);
                names.into_iter().filter_map(|to| plain(to, item.at, &path, line, file)).collect()
            }
        };
        found.insert(from, puts);
    }
    found
}

fn plain(to: &str, at: usize, path: &str, line: u32, file: &mut File<'_>) -> Option<Put> {
    let (field, kind) = match to {
        "" => (None, Type::Keyword),
        _ => target(to, at, path, file).map(|(field, kind)| (Some(field), kind))?,
    };
    Some(Put {
        field,
        kind,
        lookup: None,
        scale: None,
        lower: false,
        split: None,
        keep: false,
        line,
    })
}

fn put(keys: &mut Keys<'_, '_>, tables: &Tables, file: &mut File<'_>) -> Vec<Put> {
    let line = file.line(keys.at());
    let names = keys.texts("to", file);
    let lookup = keys.text("lookup", file).map(str::to_owned);
    let otherwise: Option<Box<str>> = keys.text("otherwise", file).map(Into::into);
    let lookup = lookup.and_then(|name| match tables.get(&name) {
        Some(table) => Some(Lookup { table: Arc::clone(table), otherwise }),
        None => {
            file.complain(keys.at(), &keys.path("lookup"), format!("there is no [tables.{name}]"));
            None
        }
    });
    let scale = keys.item("scale").and_then(number_of);
    let lower = keys.truth("lower", file);
    let keep = keys.truth("keep", file);
    let split: Option<Box<str>> = keys.text("split", file).map(Into::into);
    let mut puts = Vec::new();
    for to in names {
        let at = keys.at();
        let path = keys.path("to");
        let Some(plain) = plain(to, at, &path, line, file) else { continue };
        let (lookup, split) = (lookup.clone(), split.clone());
        puts.push(Put { lookup, scale, lower, split, keep, ..plain });
    }
    puts
}

fn inner(keys: &mut Keys<'_, '_>, file: &mut File<'_>) -> Option<Inner> {
    let mut table = keys.table("inner", file)?;
    let from = names(&table.texts("from", file));
    let program = names(&table.texts("program", file));
    let pid = names(&table.texts("pid", file));
    if from.is_empty() {
        file.complain(table.at(), &table.path("from"), "names of facts are missing".to_owned());
    }
    table.finish(file);
    Some(Inner { from, program, pid })
}

pub(super) fn names(list: &[&str]) -> Vec<FieldId> {
    list.iter().filter_map(|name| FieldId::intern(name)).collect()
}

/// Compile every expression now, so that a user's file is refused when it is loaded and not when it is needed.
fn check_expressions(mapping: &Mapping, file: &mut File<'_>) {
    let groups = mapping.groups.iter().flat_map(|group| &group.list);
    let conditions = mapping.whens.iter().flat_map(|when| when.all.iter().chain(&when.any));
    let in_conditions = conditions.filter_map(|(_, matcher)| match matcher {
        Matcher::Regex(pattern) => Some(pattern.as_ref()),
        _ => None,
    });
    for pattern in groups.chain(&mapping.claim.lines).chain(in_conditions) {
        match pattern.check() {
            Ok(_) => {
                for capture in
                    pattern.captures().iter().filter(|capture| capture.name.contains('.'))
                {
                    let own = capture.name.strip_prefix(mapping.namespace.as_str());
                    if ecs::type_of(&capture.name).is_none()
                        && !ecs::is_extension(&capture.name)
                        && !own.is_some_and(|rest| rest.starts_with('.'))
                    {
                        let message = format!("{:?} is no field of ECS", capture.name);
                        file.problems.push(problem(mapping, pattern.line, message));
                    }
                }
            }
            Err(error) => {
                let message = error.to_string().replace('\n', " ");
                file.problems.push(problem(mapping, pattern.line, message));
            }
        }
    }
}

fn problem(mapping: &Mapping, line: u32, message: String) -> MappingProblem {
    MappingProblem { file: Arc::clone(&mapping.file), line, key: "match".to_owned(), message }
}
