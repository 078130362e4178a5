//! Plain loops in the place of operations that tract (0.23) does one element at a time through a pointer to a function: tables
//! of one shape, rows whose strides are not the natural ones, rows added to rows by number. That was two thirds of the time
//! of a window. The results are the same to the bit; what these loops do not cover goes the way it went.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{ScatterNd, ScatterReduction};
use tract_onnx::tract_core::ops::binary::{BinMiniOp, OptBinChain, OptBinUnicast, TypedBinOp};

/// Exchange what has a loop here. The model must be optimised: what tract fuses into a product of matrices is best there.
pub fn exchange(model: &mut TypedModel) {
    for node in model.nodes_mut() {
        let is_real = node.outputs.iter().all(|out| out.fact.datum_type == f32::datum_type());
        if !is_real {
            continue;
        }
        let like = node.op.clone();
        if let Some(steps) = steps_of(node) {
            node.op = Box::new(Elementwise { steps, like });
        } else if node.op_as::<ScatterNd>().is_some_and(|op| op.reduction == ScatterReduction::Add)
        {
            node.op = Box::new(AddRows { like });
        }
    }
}

fn steps_of(node: &TypedNode) -> Option<Vec<Step>> {
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
enum Step {
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

    fn rows(self, a: &mut [f32], b: &[f32]) {
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
    let is_plain = [a, b].iter().all(|table| {
        table.datum_type() == f32::datum_type() && is_contiguous(table) && table.rank() > 0
    });
    // Of tables without numbers the larger one cannot be told.
    if !is_plain || large.len() != small.len() || a.len() == 0 || b.len() == 0 {
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

/// Do the numbers stand one after the other? The stride of an axis of length one is never walked.
fn is_contiguous(table: &Tensor) -> bool {
    let natural = Tensor::natural_strides(table.shape());
    let axes = table.shape().iter().zip(table.strides()).zip(&natural);
    axes.into_iter().all(|((length, stride), natural)| *length == 1 || stride == natural)
}

/// One or more steps over a table, in place where nobody else holds it.
#[derive(Clone, Debug)]
struct Elementwise {
    steps: Vec<Step>,
    like: Box<dyn TypedOp>,
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

/// Adds rows to the rows of a table that their numbers name.
#[derive(Clone, Debug)]
struct AddRows {
    like: Box<dyn TypedOp>,
}

impl PartialEq for AddRows {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for AddRows {}

impl Op for AddRows {
    fn name(&self) -> StaticName {
        "AddRows".into()
    }

    op_as_typed_op!();
}

impl AddRows {
    /// The row of each addition, if the tables are such.
    fn targets(inputs: &[TValue]) -> Option<Vec<usize>> {
        let [table, numbers, rows] = inputs else { return None };
        let ([count, width], [added, one], [updates, breadth]) =
            (table.shape(), numbers.shape(), rows.shape())
        else {
            return None;
        };
        let fits = *one == 1 && added == updates && width == breadth && *width > 0;
        let is_plain = [table, rows]
            .iter()
            .all(|table| table.datum_type() == f32::datum_type() && is_contiguous(table));
        if !fits || !is_plain {
            return None;
        }
        let numbers = numbers.to_plain_array_view::<i64>().ok()?;
        let target = |number: &i64| usize::try_from(*number).ok().filter(|row| row < count);
        numbers.iter().map(target).collect()
    }
}

impl EvalOp for AddRows {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some(targets) = AddRows::targets(&inputs) else { return self.like.eval(ctx, inputs) };
        let mut table = inputs.remove(0).into_tensor();
        let width = table.shape().last().copied().unwrap_or(1).max(1);
        if let Some(rows) = inputs.last() {
            let rows = rows.try_as_plain_ram()?;
            let rows = rows.as_slice::<f32>()?.chunks_exact(width);
            let mut plain = table.try_as_plain_ram_mut()?;
            let out = plain.as_slice_mut::<f32>()?;
            for (target, row) in targets.into_iter().zip(rows) {
                if let Some(out) = out.get_mut(target * width..(target + 1) * width) {
                    Step::Add.rows(out, row);
                }
            }
        }
        Ok(tvec!(table.into_tvalue()))
    }
}

impl TypedOp for AddRows {
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

    fn table(shape: &[usize], numbers: &[f32]) -> Tensor {
        let wanted = shape.iter().product();
        let numbers: Vec<f32> = numbers.iter().copied().cycle().take(wanted).collect();
        Tensor::from_shape(shape, &numbers).unwrap()
    }

    fn bits(values: &TVec<TValue>) -> (Vec<usize>, Vec<u32>) {
        let view = values[0].to_plain_array_view::<f32>().unwrap();
        (view.shape().to_vec(), view.iter().map(|number| number.to_bits()).collect())
    }

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

        #[test]
        fn rows_are_added_as_tract_adds_them(
            count in 1_usize..6,
            width in 1_usize..6,
            targets in prop::collection::vec(0_i64..6, 0..12),
            numbers in prop::collection::vec(-1e3_f32..1e3, 1..40),
        ) {
            let targets: Vec<i64> = targets.iter().map(|row| row % count as i64).collect();
            let like = ScatterNd { reduction: ScatterReduction::Add };
            let plain = AddRows { like: Box::new(like.clone()) };
            let inputs = || -> TVec<TValue> {
                let at = Tensor::from_shape(&[targets.len(), 1], &targets).unwrap();
                let rows = table(&[targets.len(), width], &numbers);
                tvec!(table(&[count, width], &numbers).into_tvalue(), at.into_tvalue(), rows.into_tvalue())
            };
            let wanted = like.eval(&EvalContext::out_of_plan(), inputs()).unwrap();
            let found = plain.eval(&EvalContext::out_of_plan(), inputs()).unwrap();
            prop_assert_eq!(bits(&wanted), bits(&found));
        }
    }
}
