//! Missing numbers as JSON.

use serde::{Deserialize, Serialize};

use crate::model::gap;
use crate::stdx::time::Timestamp;
use crate::wire::problem_v1::{WireError, time};

/// Numbered streams and what is missing of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// A row a stream.
    pub streams: Vec<Stream>,
    /// Streams that made room for others.
    pub streams_evicted: u64,
}

/// One numbered stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    /// The configured source.
    pub source: String,
    /// `organization.id`.
    pub tenant: String,
    /// The endpoint.
    #[serde(rename = "host.name")]
    pub host: String,
    /// What is numbered.
    pub kind: String,
    /// The channel, or topic and partition.
    pub name: String,
    /// The newest number.
    pub last: u64,
    /// `complete`, `proved` or `no`.
    pub trusted: String,
    /// Numbers that are missing and not waited for any more.
    pub missing: u64,
    /// How often numbering began anew.
    pub restarts: u64,
    /// Numbers that came late.
    pub filled: u64,
    /// Holes no longer listed.
    pub gaps_given_up: u64,
    /// Numbers in them.
    pub numbers_given_up: u64,
    /// What is missing.
    pub gaps: Vec<Gap>,
}

/// Numbers that are missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// When it was noticed.
    pub noticed: String,
    /// Event time of the record behind it; `null`: records have none.
    pub at: Option<String>,
    /// `waiting`, `missing` or `alerted`.
    pub state: String,
}

impl From<&gap::GapReport> for Gaps {
    fn from(report: &gap::GapReport) -> Gaps {
        Gaps {
            streams: report.streams.iter().map(Stream::from).collect(),
            streams_evicted: report.streams_evicted,
        }
    }
}

impl From<&gap::NumberedStream> for Stream {
    fn from(stream: &gap::NumberedStream) -> Stream {
        Stream {
            source: stream.source.clone(),
            tenant: stream.tenant.clone(),
            host: stream.host.clone(),
            kind: stream.kind.clone(),
            name: stream.name.clone(),
            last: stream.last,
            trusted: stream.trusted.clone(),
            missing: stream.missing(),
            restarts: stream.restarts,
            filled: stream.filled,
            gaps_given_up: stream.given_up.0,
            numbers_given_up: stream.given_up.1,
            gaps: stream.gaps.iter().map(Gap::from).collect(),
        }
    }
}

impl From<&gap::Gap> for Gap {
    fn from(gap: &gap::Gap) -> Gap {
        let at = Some(gap.at).filter(|at| *at != Timestamp::default());
        Gap {
            from: gap.from,
            to: gap.to,
            noticed: gap.noticed.to_string(),
            at: at.map(|at| at.to_string()),
            state: gap.state.clone(),
        }
    }
}

impl TryFrom<Gaps> for gap::GapReport {
    type Error = WireError;

    fn try_from(wire: Gaps) -> Result<gap::GapReport, WireError> {
        let streams = wire.streams.into_iter().map(gap::NumberedStream::try_from);
        Ok(gap::GapReport {
            streams: streams.collect::<Result<_, _>>()?,
            streams_evicted: wire.streams_evicted,
        })
    }
}

impl TryFrom<Stream> for gap::NumberedStream {
    type Error = WireError;

    fn try_from(wire: Stream) -> Result<gap::NumberedStream, WireError> {
        Ok(gap::NumberedStream {
            source: wire.source,
            tenant: wire.tenant,
            host: wire.host,
            kind: wire.kind,
            name: wire.name,
            last: wire.last,
            trusted: wire.trusted,
            restarts: wire.restarts,
            filled: wire.filled,
            given_up: (wire.gaps_given_up, wire.numbers_given_up),
            gaps: wire.gaps.into_iter().map(gap::Gap::try_from).collect::<Result<_, _>>()?,
        })
    }
}

impl TryFrom<Gap> for gap::Gap {
    type Error = WireError;

    fn try_from(wire: Gap) -> Result<gap::Gap, WireError> {
        let at = wire.at.map(|at| time("at", &at)).transpose()?;
        Ok(gap::Gap {
            from: wire.from,
            to: wire.to,
            noticed: time("noticed", &wire.noticed)?,
            at: at.unwrap_or_default(),
            state: wire.state,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn missing_numbers_are_read_and_written_without_loss() {
        let golden = json!({
            "streams": [{
                "source": "dc", "tenant": "default", "host.name": "dc01", "kind": "windows_record",
                "name": "Security", "last": 90, "trusted": "complete", "missing": 5, "restarts": 1,
                "filled": 2, "gaps_given_up": 1, "numbers_given_up": 3,
                "gaps": [{
                    "from": 7, "to": 8, "noticed": "2026-11-22T08:08:48.613002Z",
                    "at": "2026-11-22T08:08:40.000000Z", "state": "alerted",
                }],
            }],
            "streams_evicted": 4,
        });
        let wire: Gaps = serde_json::from_value(golden.clone()).unwrap();
        let model = gap::GapReport::try_from(wire).unwrap();
        assert_eq!(serde_json::to_value(Gaps::from(&model)).unwrap(), golden);
    }
}
