//! Layer 2: versioned JSON forms for files, the API and standard output; converted by hand from the model.

pub mod alert_v1;
pub mod bundle_v1;
pub mod collected_v1;
pub mod correlation_match_v1;
pub mod desk_v1;
pub mod disagreement_v1;
pub mod endpoint_view_v1;
pub mod event_v1;
pub mod explain_v1;
pub mod flat_scan;
pub mod gaps_v1;
pub mod keys_v1;
pub mod metrics_v1;
pub mod node_v1;
pub mod noise_v1;
pub mod pack_v1;
pub mod problem_v1;
pub mod retention_v1;
pub mod rules_v1;
pub mod shape_v1;
pub mod similar_v1;
pub mod status_v1;
pub mod stored_v1;
