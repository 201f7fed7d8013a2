//! The columns of a balance, by their headings: one row of them, or two where a first one groups those below it.

use rust_decimal::Decimal;

use crate::import::heading::{When, headings, when};
use crate::import::table::{Cell, Row, Sheet};
use crate::words;

/// Rows at the top of a sheet that may be the heading.
const TOP: usize = 50;

/// Where the columns are.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) number: usize,
    pub(super) label: Option<usize>,
    pub(super) amounts: Vec<Amount>,
    /// The columns that say what one before them says, which are not read.
    pub(super) repeated: Vec<usize>,
    /// The place among the sheet's rows of the heading with the number, and of the first row below all headings.
    header: usize,
    pub(super) first_row: usize,
}

/// A column of amounts.
#[derive(Debug)]
pub(super) struct Amount {
    pub(super) column: usize,
    pub(super) stage: Stage,
    pub(super) side: Side,
    pub(super) when: When,
    /// The column that says on which side the amount is.
    pub(super) letter: Option<usize>,
}

/// What an amount is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// The balance with which the year begins.
    Opening,
    /// What happened in the year.
    Movement,
    /// Debits and credits without a word of which: their difference is the closing balance.
    Plain,
    /// The balance with which the year ends.
    Closing,
    /// It says nothing that the others do not.
    Ignored,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Debit,
    Credit,
    /// A debit is positive.
    Signed,
}

impl Side {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Debit => "débit",
            Self::Credit => "crédit",
            Self::Signed => "débit moins crédit",
        }
    }
}

impl Stage {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Opening => "soldes d’ouverture",
            Self::Movement => "mouvements",
            Self::Plain | Self::Ignored => "débits et crédits",
            Self::Closing => "soldes de clôture",
        }
    }

    fn of(words: &[String]) -> Option<Self> {
        let has = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word.starts_with(name)));
        if has(&["ouverture", "nouveau", "report", "initia", "debut", "anterieur"]) {
            return Some(Self::Opening);
        }
        if has(&["mouvement", "mvt"]) {
            return Some(Self::Movement);
        }
        if has(&["solde", "cloture", "fin"]) {
            return Some(Self::Closing);
        }
        has(&["periode"]).then_some(Self::Movement)
    }
}

impl Columns {
    /// Those of a sheet that is a balance.
    pub(super) fn find(sheet: &Sheet) -> Option<Self> {
        (0..sheet.rows.len().min(TOP)).find_map(|at| Self::at(sheet, at))
    }

    fn at(sheet: &Sheet, header: usize) -> Option<Self> {
        let row = &sheet.rows[header];
        let number = row.cells().find(|(_, cell)| is_number_heading(&words::of(&cell.text())))?.0;
        let texts = || row.cells().map(|(column, cell)| (column, words::of(&cell.text())));
        // Entries have dates and journals, a balance has none.
        let is_entries = |word: &String| word.starts_with("journal") || word.starts_with("piece") || word == "date";
        if texts().any(|(_, words)| words.iter().any(is_entries)) {
            return None;
        }
        let is_label = |words: &[String]| {
            words
                .iter()
                .any(|word| matches!(word.as_str(), "libelle" | "intitule" | "designation" | "nom" | "comptelib"))
        };
        let label = texts().find(|(column, words)| *column != number && is_label(words)).map(|(column, _)| column);
        let first = label.unwrap_or(number).max(number) + 1;
        let rows = heading_rows(sheet, header, number);
        let mut columns = Self {
            number,
            label,
            amounts: Vec::new(),
            repeated: Vec::new(),
            header,
            first_row: rows.last().map_or(header, |last| last + 1),
        };
        let width =
            rows.iter().filter_map(|row| sheet.rows[*row].cells().next_back()).map(|(column, _)| column).max()?;
        let (mut letter, mut unnamed) = (None, Vec::new());
        for column in first..=width {
            match role(&headings(sheet, &rows, first, column)) {
                Role::Letter => letter = Some(column),
                Role::Amount(stage, side, when) => {
                    unnamed.extend(when.is_none().then_some(columns.amounts.len()));
                    let when = when.unwrap_or(When::Back(0));
                    columns.amounts.push(Amount { column, stage, side, when, letter: None });
                }
                Role::Other => {}
            }
        }
        columns.settle(letter, &unnamed);
        let has_balance = columns.amounts.iter().any(|amount| amount.stage != Stage::Opening);
        (has_balance && columns.has_accounts(sheet) && columns.has_sides(sheet)).then_some(columns)
    }

    /// Whether there are accounts below the heading.
    fn has_accounts(&self, sheet: &Sheet) -> bool {
        let numbers = sheet.rows.iter().skip(self.first_row).take(TOP).map(|row| row.get(self.number).text());
        let numbers: Vec<_> = numbers.filter(|number| !number.is_empty()).collect();
        let is_account =
            |number: &&std::borrow::Cow<'_, str>| number.starts_with(|first: char| ('1'..='9').contains(&first));
        let accounts = numbers.iter().filter(is_account).count();
        accounts > 0 && accounts * 2 >= numbers.len()
    }

    /// Whether something tells debits from credits: a column of their own, a letter, or a sign. Accounts beside the
    /// lines of a bilan that they make have none.
    fn has_sides(&self, sheet: &Sheet) -> bool {
        let is_told = |amount: &Amount| amount.side != Side::Signed || amount.letter.is_some();
        let is_negative = |row: &Row| {
            let values = self.amounts.iter().map(|amount| row.get(amount.column).amount(sheet.notation));
            values.flatten().flatten().any(|value| value.is_sign_negative())
        };
        self.amounts.iter().any(is_told) || sheet.rows.iter().skip(self.first_row).any(is_negative)
    }

    /// What the headings say only together; those of `unnamed` say nothing of a year.
    fn settle(&mut self, letter: Option<usize>, unnamed: &[usize]) {
        let has = |amounts: &[Amount], stage| amounts.iter().any(|amount| amount.stage == stage);
        // Debits and credits beside an opening balance are those of the year.
        if has(&self.amounts, Stage::Opening) && !has(&self.amounts, Stage::Movement) {
            self.amounts.iter_mut().filter(|amount| amount.stage == Stage::Plain).for_each(|amount| {
                amount.stage = Stage::Movement;
            });
        }
        for amount in self.amounts.iter_mut().filter(|amount| amount.side == Side::Signed) {
            amount.letter = letter;
            if amount.stage == Stage::Plain {
                amount.stage = Stage::Closing;
            }
        }
        let age = |when: &When| match when {
            When::Back(years) => (1, -i64::from(*years), None),
            When::Year(year) => (0, i64::from(*year), None),
            When::Day(day) => (0, 0, Some(*day)),
        };
        let named = self
            .amounts
            .iter()
            .enumerate()
            .filter(|(at, amount)| amount.stage != Stage::Opening && !unnamed.contains(at));
        let years: Vec<When> = named.map(|(_, amount)| amount.when).collect();
        // An opening balance is of the day on which the year before ended.
        if let Some(last) = years.iter().copied().max_by_key(age) {
            for (at, amount) in self.amounts.iter_mut().enumerate() {
                if unnamed.contains(&at) || amount.stage == Stage::Opening && !years.contains(&amount.when) {
                    amount.when = last;
                }
            }
        }
        // A signed balance says nothing that one in two columns does not.
        for (when, stage) in self.stages() {
            let is_apart = self.of(when, stage).any(|(_, amount)| amount.side != Side::Signed);
            let signed = self.amounts.iter_mut().filter(|amount| {
                is_apart && amount.side == Side::Signed && (amount.when, amount.stage) == (when, stage)
            });
            signed.for_each(|amount| amount.stage = Stage::Ignored);
        }
        self.leave_repeated_out();
    }

    /// Of columns with the same headings, as where one of them has lost its own, the first counts: a sum of them would
    /// count the year twice.
    fn leave_repeated_out(&mut self) {
        let mut seen = Vec::new();
        for amount in self.amounts.iter_mut().filter(|amount| amount.stage != Stage::Ignored) {
            let what = (amount.when, amount.stage, amount.side);
            if seen.contains(&what) {
                amount.stage = Stage::Ignored;
                self.repeated.push(amount.column);
            } else {
                seen.push(what);
            }
        }
    }

    /// The fiscal years that have columns.
    pub(super) fn years(&self) -> Vec<When> {
        let is_year = |amount: &&Amount| !matches!(amount.stage, Stage::Opening | Stage::Ignored);
        let mut years: Vec<When> = self.amounts.iter().filter(is_year).map(|amount| amount.when).collect();
        years.sort();
        years.dedup();
        years
    }

    /// What there are columns of.
    pub(super) fn stages(&self) -> Vec<(When, Stage)> {
        let is_read = |amount: &&Amount| amount.stage != Stage::Ignored;
        let mut stages: Vec<_> =
            self.amounts.iter().filter(is_read).map(|amount| (amount.when, amount.stage)).collect();
        stages.sort();
        stages.dedup();
        stages
    }

    /// The columns of a stage of a year, with their places among the amounts of a row.
    pub(super) fn of(&self, when: When, stage: Stage) -> impl Iterator<Item = (usize, &Amount)> {
        self.amounts.iter().enumerate().filter(move |(_, amount)| (amount.when, amount.stage) == (when, stage))
    }

    /// Debits less credits of a stage of a year; nothing where it has no columns, or where a row has none of the year.
    pub(super) fn net(&self, amounts: &[Option<Decimal>], when: When, stage: Stage) -> Option<Decimal> {
        let is_given = |(at, amount): (usize, &Amount)| amount.when == when && amounts[at].is_some();
        if !self.amounts.iter().enumerate().any(is_given) {
            return None;
        }
        let net = |(at, amount): (usize, &Amount)| {
            let value = amounts[at].unwrap_or_default();
            if amount.side == Side::Credit { -value } else { value }
        };
        self.of(when, stage).map(net).reduce(|one, other| one + other)
    }

    /// The closing balance of a row's account.
    pub(super) fn balance(&self, amounts: &[Option<Decimal>], when: When) -> Option<Decimal> {
        let of = |stage| self.net(amounts, when, stage);
        let computed = || Some(of(Stage::Movement)? + of(Stage::Opening).unwrap_or_default());
        of(Stage::Closing).or_else(computed).or_else(|| of(Stage::Plain))
    }

    /// Leaves out a year's closing balance that has no sign.
    pub(super) fn forget_unsigned(&mut self, when: When) {
        let has_other = self.of(when, Stage::Movement).chain(self.of(when, Stage::Plain)).next().is_some();
        let is_it = |amount: &&mut Amount| {
            has_other && amount.when == when && amount.stage == Stage::Closing && amount.side == Side::Signed
        };
        self.amounts.iter_mut().filter(is_it).for_each(|amount| amount.stage = Stage::Ignored);
    }

    /// Whether balances have signs, not sides.
    pub(super) fn is_signed(&self) -> bool {
        let mut closing = self.amounts.iter().filter(|amount| amount.stage == Stage::Closing).peekable();
        closing.peek().is_some() && closing.all(|amount| amount.side == Side::Signed)
    }

    /// The row of the heading of accounts' numbers.
    pub(super) fn header<'a>(&self, sheet: &'a Sheet) -> Option<&'a Row> {
        sheet.rows.get(self.header)
    }

    /// The words of the heading of accounts' numbers.
    pub(super) fn header_words(&self, sheet: &Sheet) -> Vec<String> {
        self.header(sheet).map(|row| words::of(&row.get(self.number).text())).unwrap_or_default()
    }
}

fn is_number_heading(words: &[String]) -> bool {
    const NUMBERS: [&str; 8] = ["compte", "comptes", "comptenum", "cpte", "numcompte", "numero", "num", "n"];
    const BESIDE: [&str; 9] = ["de", "du", "des", "no", "code", "general", "generaux", "d", "o"];
    let mut is_number = false;
    let known = words.iter().all(|word| {
        let is_it = NUMBERS.contains(&word.as_str());
        is_number |= is_it;
        is_it || BESIDE.contains(&word.as_str())
    });
    known && is_number
}

/// The rows of headings around the one with the number: those above it that group columns, and one below it.
fn heading_rows(sheet: &Sheet, header: usize, number: usize) -> Vec<usize> {
    let is_heading = |row: &Row| {
        let mut cells = row.cells().filter(|(column, _)| *column > number).peekable();
        let is_word = |cell: &Cell| !matches!(role(&[cell.text().into_owned()]), Role::Other);
        cells.peek().is_some() && cells.all(|(_, cell)| is_word(cell))
    };
    let is_beside = |row: usize, other: usize| sheet.rows[row].number.abs_diff(sheet.rows[other].number) == 1;
    let mut rows = vec![header];
    if header > 0 && is_beside(header - 1, header) && is_heading(&sheet.rows[header - 1]) {
        rows.insert(0, header - 1);
    }
    if let Some(below) = sheet.rows.get(header + 1) {
        let has_number = *below.get(number) != Cell::Empty;
        if !has_number && is_beside(header, header + 1) && is_heading(below) {
            rows.push(header + 1);
        }
    }
    rows
}

enum Role {
    Amount(Stage, Side, Option<When>),
    /// `D` or `C`, beside an amount.
    Letter,
    Other,
}

/// What a column is, by its headings, the last of which is nearest to it.
fn role(headings: &[String]) -> Role {
    let text = headings.join(" ");
    let words = words::of(&text);
    let starts = |names: &[&str]| words.iter().any(|word| names.iter().any(|name| word.starts_with(name)));
    if text.contains('%') || starts(&["variation", "ecart", "evolution", "budget", "prevision"]) {
        return Role::Other;
    }
    if words == ["sens"] || words == ["d", "c"] {
        return Role::Letter;
    }
    let year = headings.iter().rev().find_map(|heading| when(heading));
    let stage = Stage::of(&words);
    // The first day of a year is when it is opened.
    let is_first = matches!(year, Some(When::Day(day)) if chrono::Datelike::day(&day) == 1);
    let stage = if is_first { Some(Stage::Opening) } else { stage };
    let side = match (starts(&["debit"]), starts(&["credit"])) {
        (true, false) => Side::Debit,
        (false, true) => Side::Credit,
        _ if stage.is_some() || year.is_some() || starts(&["montant", "total"]) => Side::Signed,
        _ => return Role::Other,
    };
    Role::Amount(stage.unwrap_or(Stage::Plain), side, year)
}
