//! Rows added to the rows that numbers name, and the largest number of each column.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;

use crate::infer::scorer::kernels::elementwise::Step;
use crate::infer::scorer::kernels::is_plain;

/// Adds rows to the rows of a table that their numbers name.
#[derive(Clone, Debug)]
pub struct AddRows {
    pub like: Box<dyn TypedOp>,
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
        if !fits || !is_plain(table) || !is_plain(rows) {
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

/// The largest number of each column of a table, as a row.
#[derive(Clone, Debug)]
pub struct MaxOfColumns {
    pub like: Box<dyn TypedOp>,
}

impl PartialEq for MaxOfColumns {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for MaxOfColumns {}

impl Op for MaxOfColumns {
    fn name(&self) -> StaticName {
        "MaxOfColumns".into()
    }

    op_as_typed_op!();
}

impl MaxOfColumns {
    fn of(table: &Tensor) -> TractResult<Option<Tensor>> {
        // One row or one column is a slice: for that tract has a loop of its own.
        let [count, width] = table.shape() else { return Ok(None) };
        if *count < 2 || *width < 2 || !is_plain(table) {
            return Ok(None);
        }
        let mut largest = vec![f32::MIN; *width];
        let plain = table.try_as_plain_ram()?;
        for row in plain.as_slice::<f32>()?.chunks_exact(*width) {
            // Of what cannot be compared the later one stays, as in tract.
            largest.iter_mut().zip(row).for_each(|(a, b)| *a = if *a > *b { *a } else { *b });
        }
        Tensor::from_shape(&[1, *width], &largest).map(Some)
    }
}

impl EvalOp for MaxOfColumns {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let largest = inputs.first().map(|table| MaxOfColumns::of(table)).transpose()?.flatten();
        match largest {
            Some(row) => Ok(tvec!(row.into_tvalue())),
            None => self.like.eval(ctx, inputs),
        }
    }
}

impl TypedOp for MaxOfColumns {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.like.output_facts(inputs)
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tract_onnx::tract_core::ops::array::{ScatterNd, ScatterReduction};
    use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};

    use super::*;
    use crate::infer::scorer::kernels::tests::{bits, table};

    proptest! {
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

        #[test]
        fn the_largest_of_a_column_is_the_one_that_tract_finds(
            count in 1_usize..6,
            width in 1_usize..6,
            numbers in prop::collection::vec(
                prop_oneof![4 => -2_f32..2.0, 1 => prop::sample::select(vec![
                    0.0, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN,
                ])],
                1..40,
            ),
        ) {
            let like = Reduce::new(tvec!(0), Reducer::Max);
            let plain = MaxOfColumns { like: Box::new(like.clone()) };
            let inputs = || tvec!(table(&[count, width], &numbers).into_tvalue());
            let wanted = like.eval(&EvalContext::out_of_plan(), inputs()).unwrap();
            let found = plain.eval(&EvalContext::out_of_plan(), inputs()).unwrap();
            prop_assert_eq!(bits(&wanted), bits(&found));
        }
    }
}
