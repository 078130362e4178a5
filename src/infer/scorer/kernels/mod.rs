//! Plain loops in the place of operations that tract (0.23) does one element at a time through a pointer to a function or a
//! view: tables of one shape, rows whose strides are not the natural ones, rows added to rows by number, the largest of each
//! column. That was two thirds of the time of a window. The results are the same to the bit; what these loops do not cover
//! goes the way it went.

mod elementwise;
mod rows;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{ScatterNd, ScatterReduction};
use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

use elementwise::Elementwise;
use rows::{AddRows, MaxOfColumns};

/// Exchange what has a loop here. The model must be optimised: what tract fuses into a product of matrices is best there.
pub fn exchange(model: &mut TypedModel) {
    for node in model.nodes_mut() {
        let is_real = node.outputs.iter().all(|out| out.fact.datum_type == f32::datum_type());
        if !is_real {
            continue;
        }
        let like = node.op.clone();
        if let Some(steps) = elementwise::steps_of(node) {
            node.op = Box::new(Elementwise { steps, like });
        } else if node.op_as::<ScatterNd>().is_some_and(|op| op.reduction == ScatterReduction::Add)
        {
            node.op = Box::new(AddRows { like });
        } else if node
            .op_as::<Reduce>()
            .is_some_and(|op| op.reducer == Reducer::Max && *op.axes == [0])
        {
            node.op = Box::new(MaxOfColumns { like });
        }
    }
}

/// Is it a table of numbers that stand one after the other?
fn is_plain(table: &Tensor) -> bool {
    table.datum_type() == f32::datum_type() && is_contiguous(table)
}

/// Do the numbers stand one after the other? The stride of an axis of length one is never walked.
fn is_contiguous(table: &Tensor) -> bool {
    let natural = Tensor::natural_strides(table.shape());
    let axes = table.shape().iter().zip(table.strides()).zip(&natural);
    axes.into_iter().all(|((length, stride), natural)| *length == 1 || stride == natural)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn table(shape: &[usize], numbers: &[f32]) -> Tensor {
        let wanted = shape.iter().product();
        let numbers: Vec<f32> = numbers.iter().copied().cycle().take(wanted).collect();
        Tensor::from_shape(shape, &numbers).unwrap()
    }

    pub(super) fn bits(values: &TVec<TValue>) -> (Vec<usize>, Vec<u32>) {
        let view = values[0].to_plain_array_view::<f32>().unwrap();
        (view.shape().to_vec(), view.iter().map(|number| number.to_bits()).collect())
    }
}
