//! Setting up inference: models are read and tried before anything runs, so that what is wrong with one stops the start.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;

use crate::config::Config;
use crate::infer::scorer::guard::{Guard, Start};
use crate::infer::scorer::pool::Pool;
use crate::pipeline::infer::models::Models;
use crate::pipeline::infer::reload::Reloader;
use crate::pipeline::infer::report;
use crate::pipeline::infer::worker::Inferrer;
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::watch::Next;
use crate::stdx::time::Timestamp;

/// The models in force; exchanged as a whole.
pub(crate) type InForce = Arc<Mutex<Arc<Models>>>;

/// What runs.
pub(crate) struct Started {
    /// The models.
    pub models: InForce,
    /// Other models that wait to be taken up.
    pub next: Arc<Next<Models>>,
    /// Who scores.
    pub inferrer: Inferrer,
    /// Its thread; it ends when the analyst does.
    pub thread: JoinHandle<()>,
}

/// Read the models and start scoring. `None`: it is switched off, or there is no model.
///
/// # Errors
/// A model that is wrong, a runtime that was named and cannot be had, a marker that cannot be written.
pub(crate) fn start(config: &Config, shared: &Arc<Shared>) -> anyhow::Result<Option<Started>> {
    if !config.infer.enabled {
        return Ok(None);
    }
    let Some(models) = Models::load(&config.infer)? else {
        tracing::info!("no model is installed: windows of endpoints are not judged");
        return Ok(None);
    };
    tracing::info!(models = &*models.engine.name, "{}", models.line);
    let deaths = usize::try_from(config.infer.deaths_max).unwrap_or(usize::MAX);
    let name = &models.engine.name;
    let (guard, verdict) = Guard::open(&config.data_dir, name, deaths, Timestamp::now())?;
    let pool = match verdict {
        Start::On => Pool::start(models.engine.clone(), config.infer.threads(), Some(guard))?,
        Start::Off(reason) => {
            shared.set_problem(report::TOPIC, Some((Health::Degraded, reason.clone())));
            Pool::start_off(models.engine.clone(), Some(guard), &reason)
        }
    };
    shared.update(|snapshot| snapshot.set_models(models.rules()));
    let models = Arc::new(Mutex::new(Arc::new(models)));
    let (inferrer, thread) = Inferrer::start(&models, pool)?;
    Ok(Some(Started { models, next: Arc::default(), inferrer, thread }))
}

impl Started {
    /// Who takes up other models.
    pub(crate) fn reloader(&self, shared: &Arc<Shared>) -> Reloader {
        Reloader {
            models: Arc::clone(&self.models),
            pool: Arc::clone(self.inferrer.pool()),
            next: Arc::clone(&self.next),
            shared: Arc::clone(shared),
        }
    }
}
