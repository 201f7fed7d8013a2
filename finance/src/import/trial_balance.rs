//! The balance générale: every account with what was debited and credited, as accounting programs export it.
//!
//! Its columns are known by their headings. Rows that add others up are checked and not counted. Where customers and
//! suppliers have accounts of their own beside their collective account, those count and the collective does not: what
//! one owes is not set off against what another is owed (Plan comptable général, article 911-5).

mod columns;
mod sums;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;

use self::columns::{Columns, Side, Stage};
use self::sums::Sums;
use super::heading::{Calendar, Head, When, unit};
use super::log::Log;
use super::table::{Row, Sheet, Workbook};
use super::{ImportError, Options};
use crate::accounts;
use crate::amount;
use crate::statement::{Account, AnomalyKind, Figure, Place, Statement, Year, day};
use crate::words;

/// An account's row, or one that adds others up.
struct Line {
    /// Without spaces and points.
    number: String,
    label: String,
    place: Place,
    /// By the columns of amounts.
    amounts: Vec<Option<Decimal>>,
}

impl Line {
    /// Whether its number has digits only, as accounts of the general ledger have.
    fn is_general(&self) -> bool {
        self.number.bytes().all(|byte| byte.is_ascii_digit())
    }
}

/// A row that says that it adds others up.
struct Total {
    /// What the numbers of those begin with; nothing where it does not say it.
    prefixes: Option<Vec<String>>,
    label: String,
    place: Place,
    amounts: Vec<Option<Decimal>>,
    /// Accounts before it, and those since the total before it.
    lines: usize,
    since: usize,
}

/// What the rows of a sheet say.
struct Balance<'a> {
    columns: Columns,
    /// What amounts are multiplied with to be in the currency.
    factor: Decimal,
    lines: Vec<Line>,
    /// Whether there are accounts of customers, suppliers and the like.
    has_auxiliaries: bool,
    /// How many lines have each number.
    numbers: HashMap<String, usize>,
    totals: Vec<Total>,
    log: &'a mut Log,
}

/// Whether a workbook has a balance.
pub(super) fn is_in(workbook: &Workbook) -> bool {
    workbook.sheets.iter().any(|sheet| Columns::find(sheet).is_some())
}

/// Reads the sheets that have a balance; of others an anomaly says that they were not read.
///
/// # Errors
/// Where none has, and where nothing says when the year ends.
pub(super) fn read(workbook: &Workbook, options: &Options) -> Result<Statement, ImportError> {
    let mut log = Log::new(&workbook.file);
    let head = Head::of(workbook, &mut log);
    let mut years: BTreeMap<NaiveDate, Year> = BTreeMap::new();
    let mut step = Statement::default().step;
    for (at, sheet) in workbook.sheets.iter().enumerate() {
        let Some(columns) = Columns::find(sheet) else {
            tell_unread(workbook, sheet, &mut log);
            continue;
        };
        let whens: Vec<When> = columns.years().into_iter().map(|when| head.dated(at, when, options)).collect();
        let calendar = Calendar::new(&whens, &head, options, &workbook.file, &mut log)?;
        let factor = unit(sheet).unwrap_or(Decimal::ONE);
        step = if factor > Decimal::ONE { step.max(factor) } else { step };
        tell_repeated(workbook, sheet, &columns, &mut log);
        let mut balance = Balance::new(columns, factor, &mut log);
        balance.read(workbook, sheet);
        balance.check();
        for when in balance.columns.years() {
            let end = calendar.end(head.dated(at, when, options));
            let year = balance.year(when, Year { start: head.start(end), ..Year::ending(end) });
            if years.insert(end, year).is_some() {
                balance.log.at(AnomalyKind::Duplicate, "year", None, || {
                    format!("l’exercice clos le {} est donné deux fois\u{a0}: le second compte", day(end))
                });
            }
        }
    }
    if years.is_empty() {
        return Err(ImportError::Unknown(workbook.file.clone()));
    }
    Ok(statement(head, step, years, log))
}

fn tell_unread(workbook: &Workbook, sheet: &Sheet, log: &mut Log) {
    if let (Some(name), Some(row)) = (&sheet.name, sheet.rows.first()) {
        log.at(AnomalyKind::Unknown, "sheet", Some(workbook.place(sheet, row, 0)), || {
            format!("la feuille «\u{a0}{name}\u{a0}» n’est pas une balance\u{a0}: elle n’est pas lue")
        });
    }
}

fn tell_repeated(workbook: &Workbook, sheet: &Sheet, columns: &Columns, log: &mut Log) {
    let Some(row) = columns.header(sheet) else { return };
    for column in &columns.repeated {
        log.at(AnomalyKind::Missing, "repeated", Some(workbook.place(sheet, row, *column)), || {
            format!("la colonne {} a les en-têtes d’une autre\u{a0}: elle n’est pas lue", column + 1)
        });
    }
}

fn statement(head: Head, step: Decimal, mut years: BTreeMap<NaiveDate, Year>, log: Log) -> Statement {
    let mut anomalies = log.into_anomalies();
    for year in years.values_mut() {
        let (lines, unknown) = accounts::lines(&year.accounts);
        year.lines.extend(lines);
        anomalies.extend(unknown);
    }
    let years = years.into_values().collect();
    let statement = Statement { company: head.company, step, years, anomalies, ..Statement::default() };
    Statement { currency: head.currency.unwrap_or(statement.currency), ..statement }
}

impl<'a> Balance<'a> {
    fn new(columns: Columns, factor: Decimal, log: &'a mut Log) -> Self {
        let (lines, totals) = (Vec::new(), Vec::new());
        Self { columns, factor, lines, has_auxiliaries: false, numbers: HashMap::new(), totals, log }
    }

    fn read(&mut self, workbook: &Workbook, sheet: &Sheet) {
        let header = self.columns.header_words(sheet);
        let mut since = 0;
        for row in sheet.rows.iter().skip(self.columns.first_row) {
            let (number, label) = self.number(row);
            let place = workbook.place(sheet, row, self.columns.number);
            // Pages repeat it.
            if words::of(&row.get(self.columns.number).text()) == header {
                continue;
            }
            let Some(amounts) = self.amounts(workbook, sheet, row) else { continue };
            if amounts.iter().all(Option::is_none) {
                continue;
            }
            match total_of(&row.get(self.columns.number).text(), &label) {
                None if !number.is_empty() => {
                    *self.numbers.entry(number.clone()).or_default() += 1;
                    let line = Line { number, label, place, amounts };
                    self.has_auxiliaries |= !line.is_general();
                    self.lines.push(line);
                }
                None if !label.is_empty() => self.log.at(AnomalyKind::Unknown, "row", Some(place), || {
                    format!(
                        "la ligne «\u{a0}{label}\u{a0}» a un montant et pas de compte\u{a0}: elle n’est pas comptée"
                    )
                }),
                // Without a word, a row of sums.
                total => {
                    let (prefixes, lines) = (total.unwrap_or_default(), self.lines.len());
                    self.totals.push(Total { prefixes, label, place, amounts, lines, since });
                    since = lines;
                }
            }
        }
    }

    /// An account's number, without spaces and points, and what it is called. Without a column of labels both may be in
    /// one cell: `512000 - Banque`.
    fn number(&self, row: &Row) -> (String, String) {
        let text = row.get(self.columns.number).text();
        let is_of_number = |char: char| char.is_ascii_digit() || char.is_whitespace() || char == '.';
        let (number, rest) = text.split_at(text.find(|char| !is_of_number(char)).unwrap_or(text.len()));
        let is_apart = number.ends_with(char::is_whitespace) || rest.starts_with(['-', '–', ':']);
        let label = rest.trim_start_matches(|char: char| char.is_whitespace() || "-–:".contains(char));
        let compact = |text: &str| text.replace(|char: char| char.is_whitespace() || char == '.', "");
        if self.columns.label.is_none() && is_apart && compact(number).len() >= 3 && !label.is_empty() {
            return (compact(number), label.to_owned());
        }
        (compact(&text), self.label(row))
    }

    /// What an account is called.
    fn label(&self, row: &Row) -> String {
        let is_text = |column: &usize| !self.columns.amounts.iter().any(|amount| amount.column == *column);
        let first =
            || row.cells().map(|(column, _)| column).filter(|column| *column > self.columns.number).find(is_text);
        self.columns.label.or_else(first).map(|column| row.get(column).text().into_owned()).unwrap_or_default()
    }

    /// The amounts of a row; nothing where one cannot be read.
    fn amounts(&mut self, workbook: &Workbook, sheet: &Sheet, row: &Row) -> Option<Vec<Option<Decimal>>> {
        let number = row.get(self.columns.number).text();
        let is_row =
            number.starts_with(|first: char| first.is_ascii_digit()) || total_of(&number, &self.label(row)).is_some();
        let mut amounts = Vec::new();
        for amount in &self.columns.amounts {
            match row.get(amount.column).amount(sheet.notation) {
                Ok(value) => {
                    let side = amount.letter.map(|column| words::of(&row.get(column).text()).concat());
                    let is_credit = side.is_some_and(|side| side.starts_with('c'));
                    let value = value.map(|value| if is_credit { -value } else { value } * self.factor);
                    amounts.push(value.and_then(amount::checked));
                }
                // What is printed between the rows of accounts.
                Err(_) if !is_row => amounts.push(None),
                Err(error) => {
                    self.log.at(
                        AnomalyKind::Unreadable,
                        "amount",
                        Some(workbook.place(sheet, row, amount.column)),
                        || format!("{error}\u{a0}: la ligne n’est pas comptée"),
                    );
                    return None;
                }
            }
        }
        Some(amounts)
    }

    fn check(&mut self) {
        self.check_credits();
        self.check_unsigned();
        self.leave_parents_out();
        self.check_totals();
        self.check_accounts();
        self.check_signs();
        self.check_balance();
    }

    /// Rows with the number of a class or of a group of accounts, and collective accounts beside their auxiliaries:
    /// where most of them are what those below them add up to, they are totals. Numbers of one digit or two are no
    /// accounts in any case.
    fn leave_parents_out(&mut self) {
        let are_parents = self.are_parents();
        // How many accounts are left of those before each.
        let mut left = vec![0];
        let (mut kept, mut totals) = (Vec::new(), Vec::new());
        for (line, is_parent) in std::mem::take(&mut self.lines).into_iter().zip(are_parents) {
            if is_parent {
                totals.push(line)
            } else {
                kept.push(line)
            }
            left.push(kept.len());
        }
        self.lines = kept;
        for total in &mut self.totals {
            (total.lines, total.since) = (left[total.lines], left[total.since]);
        }
        self.totals.extend(totals.into_iter().map(|Line { number, label, place, amounts }| {
            let label = if label.is_empty() { number.clone() } else { format!("{number} {label}") };
            Total { prefixes: Some(vec![root(&number).to_owned()]), label, place, amounts, lines: 0, since: 0 }
        }));
    }

    /// Of each row whether it adds up those below it.
    fn are_parents(&self) -> Vec<bool> {
        let general = self.sums(Line::is_general);
        let auxiliary = self.sums(|line| !line.is_general());
        let has_below = |line: &Line| {
            let alike = self.numbers.get(&line.number).copied().unwrap_or_default();
            line.is_general() && (general.of(&line.number).0 > alike || auxiliary.of(root(&line.number)).0 > 0)
        };
        let leaves = self.sums(|line| line.is_general() && !has_below(line));
        let is_sum = |line: &Line| {
            let (below, auxiliaries) = (leaves.of(&line.number).1, auxiliary.of(root(&line.number)).1);
            let sums: Vec<Decimal> = below.iter().zip(auxiliaries).map(|(one, other)| one + other).collect();
            self.difference(&sums, &line.amounts).is_none()
        };
        let is_short = |line: &Line| line.number.len() < 3;
        let is_zero = |line: &Line| line.amounts.iter().flatten().all(Decimal::is_zero);
        let parents = self.lines.iter().filter(|line| has_below(line) && !is_short(line) && !is_zero(line));
        let (sums, others): (Vec<&Line>, Vec<&Line>) = parents.partition(|line| is_sum(line));
        let are_totals = sums.len() > others.len();
        self.lines.iter().map(|line| has_below(line) && (are_totals || is_short(line))).collect()
    }

    /// The sums of some lines.
    fn sums(&self, is_wanted: impl Fn(&Line) -> bool) -> Sums {
        let lines = self.lines.iter().filter(|line| is_wanted(line));
        Sums::new(self.columns.amounts.len(), lines.map(|line| (line.number.as_str(), line.amounts.as_slice())))
    }

    /// The first column in which a total is not what its accounts add up to: the column's place, the total, the sum. A
    /// total may set debits off against credits; that of collective accounts does, for their auxiliaries.
    fn difference(&self, sums: &[Decimal], amounts: &[Option<Decimal>]) -> Option<(usize, Decimal, Decimal)> {
        let all: Vec<Option<Decimal>> = sums.iter().copied().map(Some).collect();
        self.columns.stages().into_iter().find_map(|(when, stage)| {
            let given: Vec<_> = self.columns.of(when, stage).filter_map(|(at, _)| Some((at, amounts[at]?))).collect();
            let sides = given.iter().filter(|(_, amount)| !amount.is_zero()).count();
            let is_net = self.columns.net(amounts, when, stage) == self.columns.net(&all, when, stage);
            let differs = |(at, amount): (usize, Decimal)| (amount != sums[at]).then_some((at, amount, sums[at]));
            given.into_iter().find_map(differs).filter(|_| !(is_net && (sides < 2 || self.has_auxiliaries)))
        })
    }

    fn check_totals(&mut self) {
        let by_number = self.sums(|_| true);
        let mut above = vec![vec![Decimal::ZERO; self.columns.amounts.len()]];
        for line in &self.lines {
            let sum = above.last().cloned().unwrap_or_default();
            above.push(sum.iter().zip(&line.amounts).map(|(sum, amount)| sum + amount.unwrap_or_default()).collect());
        }
        for total in std::mem::take(&mut self.totals) {
            let candidates = match &total.prefixes {
                Some(prefixes) => {
                    let sums = prefixes.iter().map(|prefix| by_number.of(prefix).1);
                    sums.reduce(|one, other| one.iter().zip(other).map(|(one, other)| one + other).collect())
                        .into_iter()
                        .collect()
                }
                // It may be of all, of those above it, or of those since the one before.
                None => {
                    let (until, before) = (&above[total.lines], &above[total.since]);
                    let since = until.iter().zip(before).map(|(until, before)| until - before).collect();
                    vec![by_number.of("").1, until.clone(), since]
                }
            };
            self.check_total(total, &candidates);
        }
    }

    /// Whether a total is one of some sums.
    fn check_total(&mut self, total: Total, sums: &[Vec<Decimal>]) {
        let differences = sums.iter().map(|sums| self.difference(sums, &total.amounts));
        let Some(differences) = differences.collect::<Option<Vec<_>>>() else { return };
        let Some((column, given, sum)) = differences.first().copied() else { return };
        let label = if total.label.is_empty() { "totaux".to_owned() } else { total.label };
        let (stage, side) = (self.columns.amounts[column].stage.words(), self.columns.amounts[column].side.words());
        self.log.at(AnomalyKind::Total, "total", Some(total.place), || {
            let (given, sum) = (amount::written(given, 2), amount::written(sum, 2));
            let what = format!("le total donné est de {given}, les comptes font {sum}");
            format!("«\u{a0}{label}\u{a0}» ({stage}, {side})\u{a0}: {what}")
        });
    }

    /// Each account once, its closing balance what it was opened with and what happened to it.
    fn check_accounts(&mut self) {
        let mut seen: HashSet<&str> = HashSet::new();
        for line in &self.lines {
            if !seen.insert(&line.number) {
                self.log.at(AnomalyKind::Duplicate, "account", Some(line.place.clone()), || {
                    format!("le compte {} est donné deux fois\u{a0}: les deux soldes sont comptés", line.number)
                });
            }
            for when in self.columns.years() {
                let of = |stage| self.columns.net(&line.amounts, when, stage);
                let (Some(opening), Some(movement)) = (of(Stage::Opening), of(Stage::Movement)) else { continue };
                let Some(closing) = of(Stage::Closing).filter(|closing| *closing != opening + movement) else {
                    continue;
                };
                self.log.at(AnomalyKind::Total, "closing", Some(line.place.clone()), || {
                    format!(
                        "le compte {} finit à {}, mais son solde d’ouverture et ses mouvements font {}",
                        line.number,
                        amount::written(closing, 2),
                        amount::written(opening + movement, 2)
                    )
                });
            }
        }
    }

    /// Credits that are shown negative, as if they had a sign beside their side.
    fn check_credits(&mut self) {
        let mut turned = Vec::new();
        for (at, amount) in self.columns.amounts.iter().enumerate().filter(|(_, amount)| amount.side == Side::Credit) {
            let given = self.lines.iter().filter_map(|line| line.amounts[at]).filter(|amount| !amount.is_zero());
            let negative = given.clone().filter(Decimal::is_sign_negative).count();
            turned.extend((negative * 2 > given.count()).then_some((at, amount.stage)));
        }
        for (at, stage) in turned {
            let rows = self.lines.iter_mut().map(|line| &mut line.amounts);
            let rows = rows.chain(self.totals.iter_mut().map(|total| &mut total.amounts));
            rows.filter_map(|amounts| amounts[at].as_mut()).for_each(|amount| *amount = -*amount);
            self.log.at(AnomalyKind::Rule, "credits", None, || {
                format!("{}\u{a0}: les crédits sont donnés en négatif, leur signe a été inversé", stage.words())
            });
        }
    }

    /// A closing balance without a sign, beside the debits and credits that it is the difference of.
    fn check_unsigned(&mut self) {
        for when in self.columns.years() {
            let is_unsigned = self.lines.iter().all(|line| {
                let of = |stage| self.columns.net(&line.amounts, when, stage);
                let (closing, movement) = (of(Stage::Closing), of(Stage::Movement).or_else(|| of(Stage::Plain)));
                let given = closing.zip(movement.map(|movement| movement + of(Stage::Opening).unwrap_or_default()));
                given.is_none_or(|(closing, movement)| closing == movement.abs())
            });
            let is_signed = |line: &Line| {
                self.columns.net(&line.amounts, when, Stage::Closing).is_some_and(|net| net < Decimal::ZERO)
            };
            if is_unsigned && !self.lines.iter().any(is_signed) {
                self.columns.forget_unsigned(when);
            }
        }
    }

    /// Income with a debit balance and expenses with a credit balance: the signs are the other way round.
    fn check_signs(&mut self) {
        let years = self.columns.years();
        let sum = |class: char| -> Decimal {
            let lines = self.lines.iter().filter(|line| line.number.starts_with(class));
            lines.flat_map(|line| years.iter().filter_map(|when| self.columns.balance(&line.amounts, *when))).sum()
        };
        if sum('6') >= Decimal::ZERO || sum('7') <= Decimal::ZERO || !self.columns.is_signed() {
            return;
        }
        for amount in self.lines.iter_mut().flat_map(|line| line.amounts.iter_mut().flatten()) {
            *amount = -*amount;
        }
        self.log.at(AnomalyKind::Rule, "signs", None, || {
            "les charges sont au crédit et les produits au débit\u{a0}: les signes ont été inversés".to_owned()
        });
    }

    fn check_balance(&mut self) {
        // Customers and suppliers alone never balance.
        if !self.lines.is_empty() && self.lines.iter().all(|line| line.number.starts_with('4')) {
            self.log.at(AnomalyKind::Rule, "auxiliary", None, || {
                "c’est une balance auxiliaire\u{a0}: il n’y a que des comptes de tiers, pas tous les comptes".to_owned()
            });
            return;
        }
        for (when, stage) in self.columns.stages() {
            let sum: Decimal = self.lines.iter().filter_map(|line| self.columns.net(&line.amounts, when, stage)).sum();
            if sum.is_zero() {
                continue;
            }
            self.log.at(AnomalyKind::Unbalanced, "balance", None, || {
                let (stage, sum) = (stage.words(), amount::written(sum, 2));
                format!("{stage}\u{a0}: le total des débits et celui des crédits diffèrent de {sum}")
            });
        }
    }

    fn year(&self, when: When, year: Year) -> Year {
        let account = |line: &Line| {
            let balance = self.columns.balance(&line.amounts, when)?;
            let (number, label, places) = (line.number.clone(), line.label.clone(), vec![line.place.clone()]);
            Some(Account { number, label, balance, places })
        };
        let mut accounts: Vec<Account> = self.lines.iter().filter_map(account).collect();
        accounts.sort_by(|one, other| one.number.cmp(&other.number));
        let mut year = Year { accounts, ..year };
        // What was debited in the year, without the opening balance.
        let debit = self.columns.of(when, Stage::Movement).find(|(_, amount)| amount.side == Side::Debit);
        if let Some((column, _)) = debit {
            let loans = self.lines.iter().filter(|line| accounts::is_loan(&line.number));
            let value: Decimal = loans.filter_map(|line| line.amounts[column]).sum();
            year.lines.insert("remboursements_emprunts".to_owned(), Figure::of(value));
        }
        year
    }
}

/// The part of a collective account's number that its auxiliaries begin with: `411` of `411000`.
fn root(number: &str) -> &str {
    let zeros = number.trim_end_matches('0');
    &number[..zeros.len().max(number.len().min(3))]
}

/// Of a row that adds others up, what the numbers of those begin with, where it says it; nothing of any other row.
fn total_of(number: &str, label: &str) -> Option<Option<Vec<String>>> {
    const TOTALS: [&str; 6] = ["total", "totaux", "sous", "cumul", "report", "reporter"];
    let text = if number.starts_with(|char: char| char.is_ascii_digit()) { "" } else { number };
    let words = words::of(&format!("{text} {label}"));
    let is_total = |word: &String| TOTALS.contains(&word.as_str());
    if text.is_empty() && !number.is_empty() || !words.iter().take(2).any(is_total) {
        return None;
    }
    let has = |names: &[&str]| words.iter().any(|word| names.contains(&word.as_str()));
    let classes = |classes: &str| Some(Some(classes.chars().map(String::from).collect()));
    if has(&["bilan"]) {
        return classes("12345");
    }
    if has(&["gestion", "resultat"]) {
        return classes("67");
    }
    let digits = words.iter().filter(|word| word.len() <= 8 && word.bytes().all(|byte| byte.is_ascii_digit()));
    let prefixes: Vec<String> = digits.map(|word| root(word).to_owned()).collect();
    Some(Some(prefixes).filter(|prefixes| !prefixes.is_empty()))
}

#[cfg(test)]
mod tests;
