//! Which asset an endpoint is, as configuration says.

use globset::{GlobBuilder, GlobMatcher};

use crate::config::assets::AssetConfig;
use crate::model::finding::Finding;

struct Asset {
    part: (String, u8),
    hosts: Vec<GlobMatcher>,
    labels: Vec<(String, GlobMatcher)>,
}

/// Every kind of asset, heaviest first.
#[derive(Default)]
pub(super) struct Assets(Vec<Asset>);

impl Assets {
    pub(super) fn new(config: &[AssetConfig]) -> Assets {
        let mut all: Vec<Asset> = config.iter().map(asset).collect();
        // Stable: of equal weights the one written first counts.
        all.sort_by_key(|asset| std::cmp::Reverse(asset.part.1));
        Assets(all)
    }

    /// What the endpoint of a finding adds to the risk.
    pub(super) fn part(&self, finding: &Finding) -> Option<(String, u8)> {
        let labels = &finding.origin.labels;
        let found = self.0.iter().find(|asset| {
            let host = !finding.host.is_empty()
                && asset.hosts.iter().any(|glob| glob.is_match(&finding.host));
            host || asset.labels.iter().any(|(name, glob)| {
                labels.iter().any(|(known, value)| known == name && glob.is_match(value))
            })
        })?;
        Some(found.part.clone())
    }
}

fn asset(config: &AssetConfig) -> Asset {
    let labels = config.labels.iter().filter_map(|label| {
        let (name, pattern) = label.split_once('=')?;
        Some((name.trim().to_owned(), glob(pattern.trim())?))
    });
    Asset {
        part: (format!("asset ({})", config.name), config.weight),
        hosts: config.hosts.iter().filter_map(|host| glob(host)).collect(),
        labels: labels.collect(),
    }
}

/// The configuration was checked: what is no glob does not come here.
fn glob(pattern: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).case_insensitive(true).build().ok()?;
    Some(glob.compile_matcher())
}
