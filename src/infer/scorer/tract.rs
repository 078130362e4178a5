//! Members run by tract: pure Rust, part of the program, nothing to install.

use std::sync::Arc;

use tract_onnx::prelude::*;

use crate::infer::scorer::ScoreError;
use crate::infer::scorer::feed::{Feed, Slice};
use crate::infer::scorer::graph::{Answer, OUTPUTS};
use crate::infer::scorer::kernels;

/// The runtime's name.
pub const NAME: &str = "tract";

/// One member, ready to run.
pub struct TractSession {
    plan: Arc<TypedRunnableModel>,
    inputs: Vec<String>,
    /// For each output of the model, which of ours it is.
    outputs: Vec<Option<usize>>,
}

fn failed(error: impl std::fmt::Display) -> ScoreError {
    // The alternate form holds the chain of causes on one line.
    ScoreError::Runtime { runtime: NAME, text: format!("{error:#}").replace('\n', " ") }
}

impl TractSession {
    /// Read and optimise an ONNX file.
    pub fn open(bytes: &[u8]) -> Result<TractSession, ScoreError> {
        let model = tract_onnx::onnx().model_for_read(&mut &*bytes).map_err(failed)?;
        let name = |node: usize| model.nodes().get(node).map(|node| node.name.clone());
        let inputs: Vec<String> = model
            .input_outlets()
            .map_err(failed)?
            .iter()
            .filter_map(|outlet| name(outlet.node))
            .collect();
        let outputs = model.output_outlets().map_err(failed)?.iter().map(|outlet| {
            let label = model.outlet_label(*outlet).map(str::to_owned).or(name(outlet.node))?;
            OUTPUTS.iter().position(|known| *known == label)
        });
        let outputs: Vec<Option<usize>> = outputs.collect();
        let mut optimised = model.into_optimized().map_err(failed)?;
        kernels::exchange(&mut optimised);
        let plan = optimised.into_runnable().map_err(failed)?;
        Ok(TractSession { plan, inputs, outputs })
    }

    /// Run it once.
    pub fn run(&mut self, feed: &Feed<'_>) -> Result<Answer, ScoreError> {
        let mut values: TVec<TValue> = TVec::new();
        for name in &self.inputs {
            let Some(input) = feed.input(name) else {
                return Err(failed(format!("nothing is made for the input {name:?}")));
            };
            let tensor = match input {
                Slice::Real(shape, numbers) => Tensor::from_shape(&shape, numbers),
                Slice::Rows(shape, numbers) => Tensor::from_shape(&shape, numbers),
                Slice::Row(numbers) => Tensor::from_shape(&[numbers.len()], numbers),
            };
            values.push(tensor.map_err(failed)?.into_tvalue());
        }
        let said = self.plan.run(values).map_err(failed)?;
        let mut answer = Answer::default();
        for (value, which) in said.iter().zip(&self.outputs) {
            let Some(which) = which else { continue };
            let view = value.to_plain_array_view::<f32>().map_err(failed)?;
            answer.set(*which, view.iter().copied().collect());
        }
        Ok(answer)
    }
}
