//! The redactor together with the counts it feeds, handed to the decoders of programs.

use std::borrow::Cow;

use crate::normalise::output::Output;
use crate::normalise::redact::Redactor;
use crate::normalise::settings::Settings;

/// Redacts texts and counts what it replaced.
pub struct Scrub<'a> {
    redactor: &'a Redactor,
    out: &'a mut Output,
}

impl<'a> Scrub<'a> {
    /// For one record.
    pub fn new(settings: &'a Settings, out: &'a mut Output) -> Scrub<'a> {
        Scrub { redactor: &settings.redactor, out }
    }

    /// The text with its secrets replaced.
    pub fn text<'t>(&mut self, text: &'t str) -> Cow<'t, str> {
        self.redactor.text(text, &mut self.out.redacted)
    }

    /// The same for a text that says once more what was counted already.
    pub fn copy<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.redactor.copy(text)
    }
}

#[cfg(test)]
pub mod tests {
    //! Settings and contexts for the tests of the decoders.

    use super::*;
    use crate::config::Config;

    /// Settings of an empty configuration.
    pub fn settings() -> Settings {
        Settings::new(&Config::default()).unwrap()
    }

    /// The same without redaction, whose patterns take long to compile: for tests that build many decoders.
    pub fn plain_settings() -> Settings {
        let mut config = Config::default();
        config.redact.secrets = false;
        Settings::new(&config).unwrap()
    }

    /// Run a mapper that needs a [`Scrub`].
    pub fn with_scrub<R>(run: impl FnOnce(&mut Scrub<'_>) -> R) -> R {
        let settings = settings();
        let mut out = Output::default();
        run(&mut Scrub::new(&settings, &mut out))
    }
}
