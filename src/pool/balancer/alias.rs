//! How is one of many drawn by weight, in a time that does not depend on how many there are?
//!
//! Walker's alias method, with the table made as by Vose (1991), "A linear algorithm for generating random numbers with a
//! given distribution": as many columns as weights, all of one height, each made of its own weight and what another one has
//! too much.

/// Numbers from 0, each drawn as often as its weight says.
#[derive(Debug)]
pub struct Alias {
    columns: Box<[Column]>,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// The part that is its own, of 2^32.
    own: u32,
    /// Whose the rest is.
    other: u32,
}

impl Alias {
    /// A table of these weights.
    pub fn new(weights: &[u64]) -> Self {
        let height: u64 = weights.iter().sum();
        let count = weights.len() as u64;
        // Times the number of columns, so that each is to be `height` high, in whole numbers.
        let mut left: Vec<u64> = weights.iter().map(|weight| weight * count).collect();
        let (mut low, mut high): (Vec<u32>, Vec<u32>) = (0u32..)
            .zip(weights)
            .map(|(index, _)| index)
            .partition(|index| left[*index as usize] < height);
        let full = |index| Column {
            own: u32::MAX,
            other: index,
        };
        let mut columns: Vec<Column> = (0u32..)
            .zip(weights)
            .map(|(index, _)| full(index))
            .collect();
        while let (Some(short), Some(&tall)) = (low.pop(), high.last()) {
            let has = left[short as usize];
            columns[short as usize] = Column {
                own: part(has, height),
                other: tall,
            };
            left[tall as usize] -= height - has;
            if left[tall as usize] < height {
                high.pop();
                low.push(tall);
            }
        }
        Self {
            columns: columns.into_boxed_slice(),
        }
    }

    /// One of the numbers, by chance; `None` if there is none.
    pub fn draw(&self) -> Option<usize> {
        let random = fastrand::u64(..);
        let (which, where_in_it) = (random >> 32, random as u32);
        let index = (which * self.columns.len() as u64) >> 32;
        let column = self.columns.get(index as usize)?;
        Some(if where_in_it < column.own {
            index as usize
        } else {
            column.other as usize
        })
    }
}

/// `has` of `height`, of 2^32; a column that is not full has less than all.
fn part(has: u64, height: u64) -> u32 {
    ((u128::from(has) << 32) / u128::from(height)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The weight each number has in a table, of 2^32 for each column.
    fn drawn(alias: &Alias) -> Vec<u64> {
        let mut drawn = vec![0; alias.columns.len()];
        for (index, column) in alias.columns.iter().enumerate() {
            drawn[index] += u64::from(column.own);
            drawn[column.other as usize] += (1 << 32) - u64::from(column.own);
        }
        drawn
    }

    #[test]
    fn the_columns_hold_each_weight_exactly() {
        let odd: Vec<u64> = (0..1000).map(|n| 1 + (n * 7919) % 1000).collect();
        for weights in [
            &[1][..],
            &[1, 1, 1],
            &[5, 1, 4],
            &[1, 65_535],
            &[3, 0, 1],
            &odd,
        ] {
            let total: u64 = weights.iter().sum();
            let columns = weights.len() as f64 * (1u64 << 32) as f64;
            let drawn = drawn(&Alias::new(weights));
            for (weight, drawn) in weights.iter().zip(drawn) {
                let (wanted, has) = (*weight as f64 / total as f64, drawn as f64 / columns);
                assert!((wanted - has).abs() < 1e-6, "{weight} of {total}: {has}");
            }
        }
    }

    #[test]
    fn there_is_nothing_to_draw_from_nothing() {
        assert_eq!(Alias::new(&[]).draw(), None);
    }
}
