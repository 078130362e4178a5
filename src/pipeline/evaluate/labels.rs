//! Labels of streams, and the windows that each of them speaks of.
//!
//! A label names a file and a host, and may name a part of its time. The file may be written from another folder: the end
//! of the path counts. Host names count by their short form.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::infer::window::short;
use crate::pipeline::evaluate::line::ScoreLine;

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// It holds an attack.
    Attack,
    /// It holds none.
    Background,
    /// It counts for nothing.
    Ignore,
}

/// A line of the label file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LabelLine {
    /// The file.
    pub file: String,
    /// The host.
    pub host: String,
    /// What it is.
    pub label: Label,
    /// Only from here on, in seconds since 1970.
    #[serde(default)]
    pub start: Option<f64>,
    /// Only until here.
    #[serde(default)]
    pub end: Option<f64>,
}

impl LabelLine {
    /// Does it speak of this window's time?
    fn meets(&self, line: &ScoreLine) -> bool {
        self.start.is_none_or(|start| line.end as f64 > start)
            && self.end.is_none_or(|end| (line.start as f64) < end)
    }

    fn is_part(&self) -> bool {
        self.start.is_some() || self.end.is_some()
    }
}

/// A stream with a label, and its windows.
#[derive(Clone, Debug)]
pub struct Stream<'l> {
    /// The label.
    pub label: &'l LabelLine,
    /// Its windows, by their end.
    pub windows: Vec<&'l ScoreLine>,
}

impl Stream<'_> {
    /// Does it hold an attack?
    pub fn is_attack(&self) -> bool {
        self.label.label == Label::Attack
    }

    /// The highest score of its windows; below every other where it has none.
    pub fn score(&self) -> f64 {
        let scores = self.windows.iter().filter_map(|window| window.score);
        scores.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Read labels. A line that is none stops: half of the labels would be another question.
pub fn read(path: &Path) -> anyhow::Result<Vec<LabelLine>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the labels {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let labels = lines
        .map(|(number, line)| {
            let place = format!("{}:{}", path.display(), number + 1);
            let label: LabelLine = serde_json::from_str(line).with_context(|| {
                format!(
                    "{place}: is no label; a line is {{\"file\": …, \"host\": …, \"label\": \"attack\" | \"background\" | \"ignore\"}}"
                )
            })?;
            if let (Some(start), Some(end)) = (label.start, label.end)
                && start >= end
            {
                bail!("{place}: ends ({end}) before it starts ({start}): no window is in it");
            }
            Ok(label)
        })
        .collect::<anyhow::Result<Vec<LabelLine>>>()?;
    if labels.is_empty() {
        bail!("{} holds no label", path.display());
    }
    Ok(labels)
}

/// Do two paths name one file, seen from different folders?
fn same_file(one: &str, other: &str) -> bool {
    let ends = |long: &str, short: &str| {
        long.strip_suffix(short).is_some_and(|head| head.is_empty() || head.ends_with('/'))
    };
    ends(one, other) || ends(other, one)
}

/// The labelled streams that have no window, by file and host.
pub fn without_window(streams: &[Stream<'_>]) -> BTreeSet<String> {
    let empty = streams.iter().filter(|stream| stream.windows.is_empty());
    empty.map(|stream| format!("{} {}", stream.label.file, stream.label.host)).collect()
}

/// Labels of files that were read, and how many are of others: those say nothing here. A labelled host of a file that was
/// read stays, also without a window: an attack that left nothing cannot be found, and leaving it out would flatter.
pub fn of_files(labels: Vec<LabelLine>, files: &[String]) -> (Vec<LabelLine>, usize) {
    let all = labels.len();
    let read = |label: &LabelLine| files.iter().any(|file| same_file(&label.file, file));
    let labels: Vec<LabelLine> = labels.into_iter().filter(read).collect();
    let others = all - labels.len();
    (labels, others)
}

/// The streams of one scorer's lines, and the hosts that no label names.
pub fn streams<'l>(
    labels: &'l [LabelLine],
    lines: &[&'l ScoreLine],
) -> (Vec<Stream<'l>>, BTreeSet<String>) {
    let mut streams: Vec<Stream<'l>> =
        labels.iter().map(|label| Stream { label, windows: Vec::new() }).collect();
    let hosts: Vec<String> = labels.iter().map(|label| short(&label.host)).collect();
    let mut unknown = BTreeSet::new();
    for &line in lines {
        let of_stream = |(label, host): (&LabelLine, &String)| {
            *host == line.host && same_file(&label.file, &line.file)
        };
        let named: Vec<usize> = labels
            .iter()
            .zip(&hosts)
            .enumerate()
            .filter(|(_, pair)| of_stream(*pair))
            .map(|(at, _)| at)
            .collect();
        if named.is_empty() {
            unknown.insert(format!("{} {}", line.file, line.host));
        }
        if let Some(at) = speaker(labels, &named, line)
            && let Some(stream) = streams.get_mut(at)
        {
            stream.windows.push(line);
        }
    }
    for stream in &mut streams {
        stream.windows.sort_by_key(|line| line.end);
    }
    (streams, unknown)
}

/// Of the labels of a stream, the one that speaks of the window: a part before the whole, and where parts overlap an
/// ignored one before an attack before background, so that no window counts twice.
fn speaker(labels: &[LabelLine], named: &[usize], line: &ScoreLine) -> Option<usize> {
    let order = |label: &LabelLine| {
        let kind = match label.label {
            Label::Ignore => 0,
            Label::Attack => 1,
            Label::Background => 2,
        };
        (!label.is_part(), kind)
    };
    let meets = |at: &usize| labels.get(*at).is_some_and(|label| label.meets(line));
    let speaks = named.iter().copied().filter(|at| meets(at));
    speaks.min_by_key(|at| labels.get(*at).map(order))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(file: &str, host: &str, start: i64, score: f64) -> ScoreLine {
        ScoreLine {
            file: file.to_owned(),
            host: host.to_owned(),
            scorer: "gat".to_owned(),
            start,
            end: start + 180,
            observed_s: 100.0,
            nodes: 5,
            edges: 4,
            prediction: "benign".to_owned(),
            score: Some(score),
            scores: vec![score],
            above_threshold: Some(false),
            alerted_after_budget: false,
            rule_level: None,
        }
    }

    fn label(file: &str, host: &str, label: Label, part: Option<(f64, f64)>) -> LabelLine {
        let (start, end) = part.unzip();
        LabelLine { file: file.to_owned(), host: host.to_owned(), label, start, end }
    }

    #[test]
    fn paths_from_other_folders_and_full_host_names_are_the_same_stream() {
        let labels = [label("data/otrf/A/x.json", "WS1.corp.example", Label::Attack, None)];
        let lines = [
            window("A/x.json", "ws1", 0, 0.3),
            window("A/x.json", "ws2", 0, 0.9),
            window("B/xx.json", "ws1", 0, 0.9),
        ];
        let (streams, unknown) = streams(&labels, &lines.iter().collect::<Vec<_>>());
        assert_eq!(streams[0].windows.len(), 1);
        assert_eq!(streams[0].score(), 0.3);
        assert_eq!(unknown, ["A/x.json ws2".to_owned(), "B/xx.json ws1".to_owned()].into());
    }

    #[test]
    fn labels_of_files_that_were_not_read_say_nothing() {
        let labels = vec![
            label("lab/A/x.json", "h", Label::Attack, None),
            label("lab/B/x.json", "h", Label::Background, None),
        ];
        let (kept, others) = of_files(labels, &["A/x.json".to_owned(), "A/y.json".to_owned()]);
        assert_eq!((kept.len(), kept[0].label, others), (1, Label::Attack, 1));
    }

    #[test]
    fn a_part_of_time_speaks_before_the_whole_and_no_window_counts_twice() {
        let labels = [
            label("x", "h", Label::Background, None),
            label("x", "h", Label::Attack, Some((200.0, 260.0))),
            label("x", "h", Label::Ignore, Some((250.0, 300.0))),
        ];
        let lines: Vec<ScoreLine> =
            [0, 30, 180, 250, 299, 300].map(|start| window("x", "h", start, 0.0)).into();
        let (streams, unknown) = streams(&labels, &lines.iter().collect::<Vec<_>>());
        let starts = |at: usize| streams[at].windows.iter().map(|w| w.start).collect::<Vec<_>>();
        assert_eq!(
            (starts(0), starts(1), starts(2)),
            (vec![0, 300], vec![30], vec![180, 250, 299])
        );
        assert!(unknown.is_empty());
    }

    #[test]
    fn a_line_that_is_no_label_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{\"file\":\"a\",\"host\":\"b\",\"label\":\"attack\"}\n\n{\"file\":\"a\",\"label\":\"evil\"}\n").unwrap();
        let said = format!("{:#}", read(file.path()).unwrap_err());
        assert!(said.contains(":3: is no label"), "{said}");
        let part = "{\"file\":\"a\",\"host\":\"b\",\"label\":\"attack\",\"start\":9,\"end\":3}\n";
        std::fs::write(file.path(), part).unwrap();
        let said = format!("{:#}", read(file.path()).unwrap_err());
        assert!(said.contains(":1: ends (3) before it starts (9)"), "{said}");
    }
}
