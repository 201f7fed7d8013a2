//! What the accounts add up to whose numbers begin alike.

use rust_decimal::Decimal;

/// Accounts by their numbers, and the sums of their amounts from the first on.
pub(super) struct Sums {
    numbers: Vec<String>,
    /// One more than there are numbers.
    sums: Vec<Vec<Decimal>>,
}

impl Sums {
    /// Of accounts with their amounts, each in `columns` columns.
    pub(super) fn new<'a>(columns: usize, accounts: impl Iterator<Item = (&'a str, &'a [Option<Decimal>])>) -> Self {
        let mut accounts: Vec<_> = accounts.collect();
        accounts.sort_by_key(|(number, _)| *number);
        let mut sum = vec![Decimal::ZERO; columns];
        let mut sums = vec![sum.clone()];
        for (_, amounts) in &accounts {
            sum.iter_mut().zip(*amounts).for_each(|(sum, amount)| *sum += amount.unwrap_or_default());
            sums.push(sum.clone());
        }
        Self { numbers: accounts.into_iter().map(|(number, _)| number.to_owned()).collect(), sums }
    }

    /// How many accounts begin with `prefix`, and their sums.
    pub(super) fn of(&self, prefix: &str) -> (usize, Vec<Decimal>) {
        let first = self.numbers.partition_point(|number| number.as_str() < prefix);
        let last = first + self.numbers[first..].partition_point(|number| number.starts_with(prefix));
        let sums = self.sums[last].iter().zip(&self.sums[first]).map(|(last, first)| last - first);
        (last - first, sums.collect())
    }
}
