//! Sums, products, differences and extremes of two or more tables, element by element.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::binary::{BinMiniOp, OptBinChain, OptBinUnicast, TypedBinOp};

use crate::infer::scorer::kernels::is_plain;

/// The steps of an operation, if all of them are known here.
pub fn steps_of(node: &TypedNode) -> Option<Vec<Step>> {
    let one = |mini: &dyn BinMiniOp| Step::parse(mini.name()).map(|step| vec![step]);
    if let Some(op) = node.op_as::<TypedBinOp>() {
        return one(&*op.0);
    }
    if let Some(op) = node.op_as::<OptBinUnicast>() {
        return one(&*op.binop);
    }
    let chain = node.op_as::<OptBinChain>()?;
    chain.steps.iter().map(|step| Step::parse(step.binop.name())).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Add,
    Sub,
    Mul,
    Max,
    Min,
}

impl Step {
    fn parse(name: &str) -> Option<Step> {
        Some(match name {
            "Add" => Step::Add,
            "Sub" => Step::Sub,
            "Mul" => Step::Mul,
            "Max" => Step::Max,
            "Min" => Step::Min,
            _ => return None,
        })
    }

    pub fn rows(self, a: &mut [f32], b: &[f32]) {
        let pairs = a.iter_mut().zip(b);
        match self {
            Step::Add => pairs.for_each(|(a, b)| *a += b),
            Step::Sub => pairs.for_each(|(a, b)| *a -= b),
            Step::Mul => pairs.for_each(|(a, b)| *a *= b),
            Step::Max => pairs.for_each(|(a, b)| *a = a.max(*b)),
            Step::Min => pairs.for_each(|(a, b)| *a = a.min(*b)),
        }
    }

    fn one(self, a: &mut [f32], b: f32) {
        match self {
            Step::Add => a.iter_mut().for_each(|a| *a += b),
            Step::Sub => a.iter_mut().for_each(|a| *a -= b),
            Step::Mul => a.iter_mut().for_each(|a| *a *= b),
            Step::Max => a.iter_mut().for_each(|a| *a = a.max(b)),
            Step::Min => a.iter_mut().for_each(|a| *a = a.min(b)),
        }
    }
}

/// How the smaller table lies on the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lies {
    /// Both have the same shape.
    Same,
    /// One number for all.
    One,
    /// One row for all rows.
    Row,
    /// One number a row.
    Column,
}

fn lies(a: &Tensor, b: &Tensor) -> Option<Lies> {
    let (large, small) = (a.shape(), b.shape());
    let plain = [a, b].iter().all(|table| is_plain(table) && table.rank() > 0);
    // Of tables without numbers the larger one cannot be told.
    if !plain || large.len() != small.len() || a.len() == 0 || b.len() == 0 {
        return None;
    }
    let (ends, heads) = (small.split_last()?, large.split_last()?);
    if large == small {
        return Some(Lies::Same);
    }
    Some(match b.len() {
        1 => Lies::One,
        _ if *ends.0 == 1 && ends.1 == heads.1 => Lies::Column,
        width if ends.0 == heads.0 && width == *heads.0 => Lies::Row,
        _ => return None,
    })
}

/// One or more steps over a table, in place where nobody else holds it.
#[derive(Clone, Debug)]
pub struct Elementwise {
    pub steps: Vec<Step>,
    pub like: Box<dyn TypedOp>,
}

impl PartialEq for Elementwise {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

impl Eq for Elementwise {}

impl Op for Elementwise {
    fn name(&self) -> StaticName {
        format!("Elementwise({:?})", self.steps).into()
    }

    op_as_typed_op!();
}

impl Elementwise {
    /// The larger table, and the others with how they lie on it. `None`: they do not.
    fn sort<'i>(&self, inputs: &'i [TValue]) -> Option<(usize, Vec<(&'i TValue, Lies)>)> {
        let (first, second) = (inputs.first()?, inputs.get(1)?);
        // Of two tables that are added, multiplied or compared, either may be the larger one.
        let turned = inputs.len() == 2 && first.len() < second.len();
        if turned && self.steps.contains(&Step::Sub) {
            return None;
        }
        let at = usize::from(turned);
        let large = inputs.get(at)?;
        let others = inputs.iter().enumerate().filter(|(other, _)| *other != at);
        let others: Option<Vec<_>> =
            others.map(|(_, small)| lies(large, small).map(|lies| (small, lies))).collect();
        Some((at, others?))
    }
}

impl EvalOp for Elementwise {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some((at, others)) = self.sort(&inputs) else { return self.like.eval(ctx, inputs) };
        let lies: Vec<Lies> = others.into_iter().map(|(_, lies)| lies).collect();
        let mut table = inputs.remove(at).into_tensor();
        let width = table.shape().last().copied().unwrap_or(1).max(1);
        {
            let mut plain = table.try_as_plain_ram_mut()?;
            let out = plain.as_slice_mut::<f32>()?;
            for ((step, small), lies) in self.steps.iter().zip(&inputs).zip(lies) {
                let plain = small.try_as_plain_ram()?;
                let small = plain.as_slice::<f32>()?;
                let rows = out.chunks_exact_mut(width);
                match lies {
                    Lies::Same => step.rows(out, small),
                    Lies::One => small.iter().for_each(|one| step.one(out, *one)),
                    Lies::Row => rows.for_each(|row| step.rows(row, small)),
                    Lies::Column => rows.zip(small).for_each(|(row, one)| step.one(row, *one)),
                }
            }
        }
        Ok(tvec!(table.into_tvalue()))
    }
}

impl TypedOp for Elementwise {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.like.output_facts(inputs)
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tract_onnx::tract_core::ops::math;

    use super::*;
    use crate::infer::scorer::kernels::tests::{bits, table};

    fn minis() -> Vec<(Box<dyn BinMiniOp>, Step)> {
        vec![
            (Box::new(math::Add), Step::Add),
            (Box::new(math::Sub), Step::Sub),
            (Box::new(math::Mul), Step::Mul),
            (Box::new(math::Max), Step::Max),
            (Box::new(math::Min), Step::Min),
        ]
    }

    proptest! {
        #[test]
        fn a_loop_says_what_tract_says_to_the_bit(
            rows in 0_usize..6,
            width in 0_usize..9,
            small in 0_usize..6,
            turned in any::<bool>(),
            numbers in prop::collection::vec(-1e3_f32..1e3, 1..40),
            others in prop::collection::vec(-1e3_f32..1e3, 1..40),
        ) {
            let shape = match small {
                0 => vec![rows, width],
                1 => vec![1, 1],
                2 => vec![1, width],
                3 => vec![rows, 1],
                4 => vec![1, width.max(1)],
                _ => vec![rows.max(1), 1],
            };
            let (a, mut b) = (table(&[rows, width], &numbers), table(&shape, &others));
            if shape[0] == 1 {
                // As tract makes rows of what is a list in the file: with strides that are not the natural ones.
                b = table(&shape[1..], &others);
                b.insert_axis(0).unwrap();
            }
            for (mini, step) in minis() {
                let like = TypedBinOp(mini, None);
                let plain = Elementwise { steps: vec![step], like: Box::new(like.clone()) };
                let inputs = || -> TVec<TValue> {
                    let (a, b) = (a.clone().into_tvalue(), b.clone().into_tvalue());
                    if turned { tvec!(b, a) } else { tvec!(a, b) }
                };
                let wanted = like.eval(&EvalContext::out_of_plan(), inputs());
                let found = plain.eval(&EvalContext::out_of_plan(), inputs());
                match (wanted, found) {
                    (Ok(wanted), Ok(found)) => prop_assert_eq!(bits(&wanted), bits(&found), "{:?}", step),
                    (wanted, found) => prop_assert_eq!(wanted.is_err(), found.is_err(), "{:?}", step),
                }
            }
        }

    }
}
