//! `[infer.llm]`: a language model that gives a second opinion about windows that a graph model already suspects. Off unless an
//! address is named.

use std::time::Duration;

use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// A second opinion that takes longer is none.
const TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// Who is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct LlmConfig {
    /// Where `/chat/completions` stands, as OpenAI's interface has it: `http://127.0.0.1:8080/v1`.
    pub url: String,
    /// The model's name there.
    pub model: String,
    /// Our key there.
    pub api_key: Option<SecretRef>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Take the section's keys. `None`: nobody is asked.
pub fn read(reader: &mut Reader) -> Option<LlmConfig> {
    let doc = "Where an interface like OpenAI's stands (`http://127.0.0.1:8080/v1`): it is given the redacted story of a model's alert and may add a note. Empty: nobody is asked, no connection is opened.";
    let url = reader.text("infer.llm.url", "", doc);
    let model = reader.text("infer.llm.model", "", "The language model's name there.");
    let names = ("infer.llm.api_key", "infer.llm.api_key.env", "infer.llm.api_key.file");
    let docs = ("Variable with our key there.", "File with our key there.");
    let api_key = SecretRef::take(reader, names, docs);
    let doc = "How long an answer may take; without one the alert stands as it is.";
    let timeout = reader.duration("infer.llm.timeout", Duration::from_secs(20), doc);
    if url.is_empty() {
        return None;
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        let message = format!("{url:?} is no http:// or https:// address");
        reader.complain("infer.llm.url", message, "http://127.0.0.1:8080/v1".to_owned());
    }
    if url.contains('@') {
        let hint = "infer.llm.api_key = { file = \"PATH\" }".to_owned();
        let message = "a login does not stand in the address".to_owned();
        reader.complain("infer.llm.url", message, hint);
    }
    if model.is_empty() {
        let message = "a model must be named".to_owned();
        reader.complain("infer.llm.model", message, "its name at that address".to_owned());
    }
    if timeout.is_zero() || timeout > TIMEOUT_MAX {
        let message = "an answer takes 1 second to 5 minutes".to_owned();
        reader.complain("infer.llm.timeout", message, "infer.llm.timeout = \"20s\"".to_owned());
    }
    Some(LlmConfig { url: url.trim_end_matches('/').to_owned(), model, api_key, timeout })
}
