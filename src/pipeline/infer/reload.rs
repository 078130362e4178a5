//! Other models while the program runs: `infer.models` is pointed elsewhere, they are read and tried away from the path, and
//! exchanged between two windows. Pointing it back is the way back.

use std::sync::Arc;

use crate::config::infer::InferConfig;
use crate::infer::scorer::pool::Pool;
use crate::pipeline::infer::models::Models;
use crate::pipeline::infer::start::InForce;
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::watch::{Next, TICK};
use crate::stdx::stop::StopToken;

/// The key of the problem in the health report.
const TOPIC: &str = "models";

/// Takes up other models.
pub(crate) struct Reloader {
    pub(crate) models: InForce,
    pub(crate) pool: Arc<Pool>,
    pub(crate) next: Arc<Next<Models>>,
    pub(crate) shared: Arc<Shared>,
}

/// Can this be changed while the program runs? Windows that are open have their length.
pub(crate) fn needs_restart(one: &InferConfig, other: &InferConfig) -> bool {
    let fixed = |config: &InferConfig| {
        (
            config.enabled,
            config.window,
            config.interval,
            config.lateness,
            config.budget,
            config.alone,
            config.threads,
            config.deaths_max,
            config.llm.clone(),
        )
    };
    fixed(one) != fixed(other)
}

impl Reloader {
    /// Wait for wishes until the stop.
    pub(crate) fn watch(&self, stop: &StopToken) {
        while !stop.is_stopped() {
            if let Some(config) = self.shared.take_wanted_models() {
                let problem = self.take(&config).err();
                let problem = problem.map(|error| {
                    let text = format!("infer changed and cannot be taken up, the models of before stay in force: {error:#}");
                    tracing::error!("{text}");
                    (Health::Degraded, text)
                });
                self.shared.set_problem(TOPIC, problem);
            }
            std::thread::sleep(TICK);
        }
    }

    fn take(&self, config: &InferConfig) -> anyhow::Result<()> {
        let Some(models) = Models::load(config)? else {
            anyhow::bail!("{} holds no model", config.models);
        };
        self.pool.swap(models.engine.clone())?;
        tracing::info!(models = &*models.engine.name, "other models are in force");
        self.shared.update(|snapshot| snapshot.set_models(models.rules()));
        let models = Arc::new(models);
        *self.models.lock() = Arc::clone(&models);
        self.next.put(models);
        Ok(())
    }
}
