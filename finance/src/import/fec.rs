//! The fichier des écritures comptables: every entry of a fiscal year, as the administration asks for it (article
//! A47 A-1 of the Livre des procédures fiscales).
//!
//! The file is read once, line by line: what is kept grows with its accounts and entries, not with its lines. Rules
//! that are broken are reported, and what can be read of a line counts all the same.

use std::collections::{BTreeMap, HashMap};
use std::io::{Cursor, Read};

use chrono::{Datelike, Months, NaiveDate};
use csv::{ByteRecord, ReaderBuilder, Terminator};
use encoding_rs::{UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use rust_decimal::Decimal;

use super::ImportError;
use super::heading::end_of_month;
use super::log::Log;
use super::text::{decode, line};
use crate::accounts;
use crate::amount::{self, Notation};
use crate::siren::Siren;
use crate::statement::{Account, AnomalyKind, Company, Figure, Journal, Movement, Place, Statement, Year, day};

/// The columns, in their order (Livre des procédures fiscales, article A47 A-1).
pub const COLUMNS: [&str; 18] = [
    "JournalCode",
    "JournalLib",
    "EcritureNum",
    "EcritureDate",
    "CompteNum",
    "CompteLib",
    "CompAuxNum",
    "CompAuxLib",
    "PieceRef",
    "PieceDate",
    "EcritureLib",
    "Debit",
    "Credit",
    "EcritureLet",
    "DateLet",
    "ValidDate",
    "Montantdevise",
    "Idevise",
];

/// Columns that no line may leave empty, but those for amounts and dates, which are read.
const REQUIRED: [&str; 6] = ["JournalCode", "JournalLib", "EcritureNum", "CompteLib", "PieceRef", "EcritureLib"];

/// Bytes that are looked at to find out how the file is written.
const SAMPLE: u64 = 64 * 1024;
/// More entries or journals than this are no company's.
const MOST: usize = 5_000_000;
/// More accounts than this, with those of customers and suppliers, are no company's.
const MOST_ACCOUNTS: usize = 500_000;
/// Months before its end in which a fiscal year may begin. An entry before that has a mistaken date.
const MOST_MONTHS: u32 = 24;
/// Accounts that stand for many people. What one owes is not set off against what another is owed (Plan comptable
/// général, article 911-5), so those in debit and those in credit are kept apart.
const THIRD_PARTIES: [&str; 4] = ["40", "41", "45", "46"];
/// Journals of opening balances go by these codes.
const OPENING: [&str; 7] = ["AN", "ANO", "ANX", "RAN", "AN1", "OUV", "REPORT"];

/// Reads a file. Its name, as the administration wants it (`732829320FEC20241231.txt`), says whose it is and when the
/// fiscal year ends; without such a name the entries' dates say when.
///
/// # Errors
/// Where it has no line or lacks the columns of accounts and amounts, and where `reader` fails.
pub fn read(reader: impl Read, name: &str) -> Result<Statement, ImportError> {
    read_until(reader, name, None)
}

/// The same, with the last day of the fiscal year where neither the name nor a date says it.
pub(super) fn read_until(reader: impl Read, name: &str, end: Option<NaiveDate>) -> Result<Statement, ImportError> {
    let failed = |error: &dyn std::fmt::Display| ImportError::damaged(name, error.to_string());
    let mut reader = unicode(reader).map_err(|error| failed(&error))?;
    let mut sample = Vec::new();
    reader.by_ref().take(SAMPLE).read_to_end(&mut sample).map_err(|error| failed(&error))?;
    let written = Written::of(&sample);
    let mut rows = ReaderBuilder::new()
        .delimiter(written.separator)
        .quoting(written.is_quoted)
        // With the default one the lines of a file of Windows are counted one too low.
        .terminator(Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(Cursor::new(sample).chain(reader));
    let mut row = ByteRecord::new();
    if !rows.read_byte_record(&mut row).map_err(|error| failed(&error))? {
        return Err(ImportError::Empty(name.to_owned()));
    }
    let mut ledger = Ledger::new(name, &written, Columns::find(&row, name)?);
    while rows.read_byte_record(&mut row).map_err(|error| failed(&error))? {
        ledger.add(&row, line(&rows, &row))?;
    }
    Ok(ledger.into_statement(end))
}

/// UTF-8 out of UTF-16, which begins with its mark; anything else as it is, without UTF-8's mark.
fn unicode(mut reader: impl Read) -> std::io::Result<impl Read> {
    let mut mark = Vec::new();
    reader.by_ref().take(3).read_to_end(&mut mark)?;
    let (encoding, rest) = match mark.as_slice() {
        [0xFF, 0xFE, ..] => (Some(UTF_16LE), &mark[2..]),
        [0xFE, 0xFF, ..] => (Some(UTF_16BE), &mark[2..]),
        [0xEF, 0xBB, 0xBF] => (None, &mark[3..]),
        _ => (None, &mark[..]),
    };
    let whole = Cursor::new(rest.to_vec()).chain(reader);
    // Without an encoding the bytes pass as they are.
    Ok(DecodeReaderBytesBuilder::new().encoding(encoding).utf8_passthru(true).bom_sniffing(false).build(whole))
}

/// How a file is written.
pub(super) struct Written {
    pub(super) separator: u8,
    pub(super) is_quoted: bool,
    notation: Notation,
}

impl Written {
    pub(super) fn of(sample: &[u8]) -> Self {
        let text = decode(sample);
        let first = text.lines().next().unwrap_or_default();
        let count = |separator: &u8| first.matches(*separator as char).count();
        // The first of those that occur equally often.
        let separator = b"\t|;,".iter().rev().max_by_key(|separator| count(separator)).copied().unwrap_or(b'\t');
        let cells = text.lines().skip(1).take(500).flat_map(|line| {
            let cells = line.split(separator as char).skip(11).take(2);
            cells.map(|cell| cell.trim_matches('"'))
        });
        let notation = if separator == b',' { Notation::Point } else { Notation::of(cells) };
        Self { separator, is_quoted: first.starts_with('"'), notation }
    }
}

/// Where the columns are.
struct Columns {
    at: [Option<usize>; COLUMNS.len()],
    /// One amount and its side, instead of a debit and a credit.
    amount_and_side: Option<(usize, usize)>,
    count: usize,
    is_in_order: bool,
}

impl Columns {
    fn find(header: &ByteRecord, file: &str) -> Result<Self, ImportError> {
        let plain = |text: &str| text.trim().trim_matches('"').to_lowercase().replace([' ', '_', 'é'], "");
        let names: Vec<String> = header.iter().map(|cell| plain(&decode(cell))).collect();
        let find = |name: &str| names.iter().position(|known| *known == plain(name));
        let at = COLUMNS.map(find);
        let amount_and_side = find("Montant").zip(find("Sens"));
        let is_in_order = at.iter().enumerate().all(|(wanted, found)| found.is_none_or(|found| found == wanted));
        let columns = Self { at, amount_and_side, count: names.len(), is_in_order };
        let has_amounts = amount_and_side.is_some() || columns.of("Debit").is_some() && columns.of("Credit").is_some();
        let mut missing = Vec::new();
        missing.extend(columns.of("CompteNum").is_none().then_some("CompteNum"));
        missing.extend((!has_amounts).then_some("Debit et Credit (ou Montant et Sens)"));
        if missing.is_empty() {
            return Ok(columns);
        }
        Err(ImportError::Columns { file: file.to_owned(), columns: missing.join(", ") })
    }

    fn of(&self, name: &str) -> Option<usize> {
        self.at[COLUMNS.iter().position(|known| *known == name)?]
    }
}

/// A line of the file.
struct Entry {
    line: u64,
    journal: String,
    journal_label: String,
    number: String,
    date: Option<NaiveDate>,
    account: String,
    label: String,
    auxiliary: String,
    debit: Decimal,
    credit: Decimal,
}

/// What is known of an account.
struct Balance {
    label: String,
    /// By auxiliary account, where it has such.
    balances: HashMap<String, Decimal>,
    first: u64,
    last: u64,
    lines: u64,
    /// By month, without opening balances.
    months: HashMap<(i32, u32), Decimal>,
}

/// What is known of a journal.
#[derive(Default)]
struct Sums {
    label: String,
    lines: u64,
    debit: Decimal,
    credit: Decimal,
}

/// The sums of what has been read.
struct Ledger<'a> {
    file: &'a str,
    notation: Notation,
    columns: Columns,
    log: Log,
    company: Company,
    end: Option<NaiveDate>,
    /// The months that entries are dated in, and the first line of each.
    months: BTreeMap<(i32, u32), u64>,
    last: Option<NaiveDate>,
    accounts: HashMap<String, Balance>,
    journals: HashMap<String, Sums>,
    /// By journal and number: the difference, and the line on which it begins.
    entries: HashMap<(String, String), (Decimal, u64)>,
    /// How many balances the accounts have, together.
    auxiliaries: usize,
    /// Debits of accounts of loans.
    repaid: Decimal,
    /// Lines without a date of validation.
    unvalidated: u64,
    lines: u64,
}

impl<'a> Ledger<'a> {
    fn new(file: &'a str, written: &Written, columns: Columns) -> Self {
        let mut log = Log::new(file);
        let (siren, end) = of_name(file);
        if siren.is_none() || end.is_none() {
            log.add(AnomalyKind::Rule, "name", None, || {
                "le nom du fichier n’est pas de la forme SirenFECAAAAMMJJ (article A47 A-1 du LPF)".to_owned()
            });
        }
        let is_replaced = |name: &str| columns.amount_and_side.is_some() && matches!(name, "Debit" | "Credit");
        let missing = COLUMNS.into_iter().zip(columns.at).filter(|(name, at)| at.is_none() && !is_replaced(name));
        let missing: Vec<&str> = missing.map(|(name, _)| name).collect();
        if !missing.is_empty() {
            log.add(AnomalyKind::Missing, "columns", Some("1".to_owned()), || {
                format!("colonnes absentes\u{a0}: {}", missing.join(", "))
            });
        } else if !columns.is_in_order {
            log.add(AnomalyKind::Rule, "order", Some("1".to_owned()), || {
                "les colonnes ne sont pas dans l’ordre de l’article A47 A-1 du LPF".to_owned()
            });
        }
        if !matches!(written.separator, b'\t' | b'|') {
            log.add(AnomalyKind::Rule, "separator", Some("1".to_owned()), || {
                format!(
                    "le séparateur «\u{a0}{}\u{a0}» n’est ni la tabulation ni la barre verticale",
                    written.separator as char
                )
            });
        }
        Self {
            file,
            notation: written.notation,
            columns,
            log,
            company: Company { name: None, siren },
            end,
            months: BTreeMap::new(),
            last: None,
            accounts: HashMap::new(),
            journals: HashMap::new(),
            entries: HashMap::new(),
            auxiliaries: 0,
            repaid: Decimal::ZERO,
            unvalidated: 0,
            lines: 0,
        }
    }

    fn add(&mut self, row: &ByteRecord, line: u64) -> Result<(), ImportError> {
        if row.iter().all(|cell| cell.iter().all(u8::is_ascii_whitespace)) {
            return Ok(());
        }
        let at = || Some(line.to_string());
        if row.len() != self.columns.count {
            let (found, wanted) = (row.len(), self.columns.count);
            self.log.add(AnomalyKind::Unreadable, "fields", at(), || {
                format!("la ligne a {found} champs au lieu de {wanted}")
            });
        }
        let cell = |column: Option<usize>| {
            let text = decode(column.and_then(|column| row.get(column)).unwrap_or_default());
            text.trim().to_owned()
        };
        let field = |name: &str| cell(self.columns.of(name));
        let empty: Vec<&str> =
            REQUIRED.into_iter().filter(|name| self.columns.of(name).is_some() && field(name).is_empty()).collect();
        let amounts = self.amounts(&cell);
        let mut entry = Entry {
            line,
            journal: field("JournalCode"),
            journal_label: field("JournalLib"),
            number: field("EcritureNum"),
            date: None,
            account: field("CompteNum"),
            label: field("CompteLib"),
            auxiliary: field("CompAuxNum"),
            debit: Decimal::ZERO,
            credit: Decimal::ZERO,
        };
        self.unvalidated += u64::from(field("ValidDate").is_empty());
        let date = field("EcritureDate");
        for name in empty {
            self.log.add(AnomalyKind::Missing, name, at(), || format!("la colonne {name} est vide"));
        }
        if entry.account.len() < 3 || !entry.account.bytes().take(3).all(|byte| byte.is_ascii_digit()) {
            self.log.add(AnomalyKind::Rule, "account", at(), || {
                let account = &entry.account;
                format!(
                    "le compte «\u{a0}{account}\u{a0}» ne commence pas par trois chiffres du Plan comptable général"
                )
            });
        }
        entry.date = self.date(&date, line);
        (entry.debit, entry.credit) = match amounts {
            Ok(amounts) => amounts,
            Err(error) => {
                self.log.add(AnomalyKind::Unreadable, "amount", at(), || {
                    format!("{error}\u{a0}: la ligne n’est pas comptée")
                });
                return Ok(());
            }
        };
        if entry.debit.is_zero() == entry.credit.is_zero() {
            self.log.add(AnomalyKind::Rule, "sides", at(), || {
                let which = if entry.debit.is_zero() { "ni débit ni crédit" } else { "un débit et un crédit" };
                format!("la ligne a {which}")
            });
        }
        self.lines += 1;
        self.count(entry);
        let (entries, accounts) = (self.journals.len() + self.entries.len(), self.accounts.len() + self.auxiliaries);
        if entries <= MOST && accounts <= MOST_ACCOUNTS {
            return Ok(());
        }
        Err(ImportError::too_large(self.file, "plus d’écritures qu’il n’est permis"))
    }

    fn amounts(&self, cell: &impl Fn(Option<usize>) -> String) -> Result<(Decimal, Decimal), amount::AmountError> {
        let read = |text: &str| Ok(amount::read(text, self.notation)?.unwrap_or_default());
        if let Some((amount, side)) = self.columns.amount_and_side {
            let (value, side) = (read(&cell(Some(amount)))?, cell(Some(side)));
            return match side.as_str() {
                "D" | "d" | "+" | "+1" | "1" => Ok((value, Decimal::ZERO)),
                "C" | "c" | "-" | "-1" => Ok((Decimal::ZERO, value)),
                _ => Err(amount::AmountError::NotANumber(side)),
            };
        }
        Ok((read(&cell(self.columns.of("Debit")))?, read(&cell(self.columns.of("Credit")))?))
    }

    fn date(&mut self, text: &str, line: u64) -> Option<NaiveDate> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y%m%d") {
            return Some(date);
        }
        let at = Some(line.to_string());
        let other = ["%d/%m/%Y", "%Y-%m-%d", "%d-%m-%Y"];
        let date = other.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
        let text: String = text.chars().take(20).collect();
        match date {
            Some(_) => self.log.add(AnomalyKind::Rule, "date", at, || {
                format!("la date «\u{a0}{text}\u{a0}» n’est pas au format AAAAMMJJ")
            }),
            None => self
                .log
                .add(AnomalyKind::Unreadable, "no date", at, || format!("«\u{a0}{text}\u{a0}» n’est pas une date")),
        }
        date
    }

    fn count(&mut self, entry: Entry) {
        let difference = entry.debit - entry.credit;
        let is_opening = OPENING.contains(&entry.journal.to_uppercase().as_str());
        if let Some(date) = entry.date {
            self.months.entry((date.year(), date.month())).or_insert(entry.line);
            self.last = Some(self.last.map_or(date, |last| last.max(date)));
        }
        if !is_opening && accounts::is_loan(&entry.account) {
            self.repaid += entry.debit;
        }
        let sums = self.journals.entry(entry.journal.clone()).or_default();
        if sums.label.is_empty() {
            sums.label = entry.journal_label;
        }
        sums.lines += 1;
        sums.debit += entry.debit;
        sums.credit += entry.credit;
        let sum = self.entries.entry((entry.journal, entry.number)).or_insert((Decimal::ZERO, entry.line));
        sum.0 += difference;
        let has_auxiliaries = THIRD_PARTIES.iter().any(|prefix| entry.account.starts_with(prefix));
        let account = self.accounts.entry(entry.account).or_insert_with(|| Balance::new(entry.label, entry.line));
        account.last = entry.line;
        account.lines += 1;
        if let Some(date) = entry.date.filter(|_| !is_opening) {
            *account.months.entry((date.year(), date.month())).or_default() += difference;
        }
        let auxiliary = if has_auxiliaries { entry.auxiliary } else { String::new() };
        let known = account.balances.len();
        *account.balances.entry(auxiliary).or_default() += difference;
        self.auxiliaries += account.balances.len() - known;
    }

    fn into_statement(mut self, end: Option<NaiveDate>) -> Statement {
        self.check_balances();
        let end = self.end.or_else(|| self.last.map(end_of_month)).or(end);
        let Some(end) = end else {
            self.log.add(AnomalyKind::Missing, "year", None, || "aucune date\u{a0}: l’exercice est inconnu".to_owned());
            return Statement { company: self.company, anomalies: self.log.into_anomalies(), ..Statement::default() };
        };
        let start = self.start(end);
        if self.last.is_some_and(|last| last > end) {
            self.log.add(AnomalyKind::Rule, "after", None, || {
                format!("des écritures sont datées après la clôture du {}", day(end))
            });
        }
        if self.unvalidated > 0 {
            let (count, lines) = (self.unvalidated, self.lines);
            self.log.add(AnomalyKind::Missing, "ValidDate", None, || {
                format!("{count} lignes sur {lines} n’ont pas de date de validation (ValidDate)")
            });
        }
        let mut accounts: Vec<Account> =
            self.accounts.iter().flat_map(|(number, balance)| balance.accounts(number, self.file)).collect();
        accounts.sort_by(|one, other| one.number.cmp(&other.number));
        let (mut lines, unknown) = accounts::lines(&accounts);
        let repaid = Figure::of(self.repaid);
        lines.insert("remboursements_emprunts".to_owned(), repaid);
        let (movements, journals) = (self.movements(), self.journals());
        let year = Year { start, accounts, lines, movements, journals, ..Year::ending(end) };
        let mut anomalies = self.log.into_anomalies();
        anomalies.extend(unknown);
        Statement { company: self.company, years: vec![year], anomalies, ..Statement::default() }
    }

    /// The first day of the month of the first entry. Those before any year that ends on `end` are said.
    fn start(&mut self, end: NaiveDate) -> Option<NaiveDate> {
        let first_of = |&(year, month): &(i32, u32)| NaiveDate::from_ymd_opt(year, month, 1);
        let earliest = end.checked_sub_months(Months::new(MOST_MONTHS)).unwrap_or(end);
        let months = self.months.iter().filter_map(|(month, line)| Some((first_of(month)?, *line)));
        let (within, before): (Vec<_>, Vec<_>) = months.partition(|(first, _)| *first > earliest);
        for (first, line) in before {
            self.log.add(AnomalyKind::Rule, "before", Some(line.to_string()), || {
                format!("des écritures de {} sont datées avant l’exercice clos le {}", first.format("%m/%Y"), day(end))
            });
        }
        within.first().map(|(first, _)| *first)
    }

    fn check_balances(&mut self) {
        let mut open: Vec<_> = self.entries.iter().filter(|(_, (difference, _))| !difference.is_zero()).collect();
        open.sort_by_key(|(_, (_, line))| *line);
        for ((journal, entry), (difference, line)) in open {
            self.log.add(AnomalyKind::Unbalanced, "entry", Some(line.to_string()), || {
                let difference = amount::written(*difference, 2);
                format!("l’écriture {entry} du journal {journal} n’est pas équilibrée (écart {difference})")
            });
        }
        let mut journals: Vec<_> = self.journals.iter().filter(|(_, sums)| sums.debit != sums.credit).collect();
        journals.sort_by_key(|(code, _)| *code);
        for (code, sums) in journals {
            self.log.add(AnomalyKind::Unbalanced, "journal", None, || {
                let (debit, credit) = (amount::written(sums.debit, 2), amount::written(sums.credit, 2));
                format!("le journal {code} n’est pas équilibré (débit {debit}, crédit {credit})")
            });
        }
    }

    fn movements(&self) -> Vec<Movement> {
        let movements = self.accounts.iter().flat_map(|(number, balance)| {
            let of_month = |(&(year, month), &amount): (&(i32, u32), &Decimal)| Movement {
                month: format!("{year:04}-{month:02}"),
                account: number.clone(),
                amount,
            };
            balance.months.iter().map(of_month)
        });
        let mut movements: Vec<Movement> = movements.collect();
        movements.sort_by(|one, other| (&one.month, &one.account).cmp(&(&other.month, &other.account)));
        movements
    }

    fn journals(&self) -> Vec<Journal> {
        let journal = |(code, sums): (&String, &Sums)| Journal {
            code: code.clone(),
            label: sums.label.clone(),
            lines: sums.lines,
            debit: sums.debit,
            credit: sums.credit,
        };
        let mut journals: Vec<Journal> = self.journals.iter().map(journal).collect();
        journals.sort_by(|one, other| one.code.cmp(&other.code));
        journals
    }
}

impl Balance {
    fn new(label: String, line: u64) -> Self {
        Self { label, balances: HashMap::new(), first: line, last: line, lines: 0, months: HashMap::new() }
    }

    /// One account, or two where some auxiliaries are in debit and others in credit.
    fn accounts(&self, number: &str, file: &str) -> impl Iterator<Item = Account> {
        let at = match self.lines {
            1 => self.first.to_string(),
            lines => format!("{}–{} ({lines} lignes)", self.first, self.last),
        };
        let sum = |is_debit: bool| -> Decimal {
            self.balances.values().filter(|balance| balance.is_sign_positive() == is_debit).sum()
        };
        let (debit, credit) = (sum(true), sum(false));
        let is_both = !debit.is_zero() && !credit.is_zero();
        let balances = if is_both { vec![debit, credit] } else { vec![debit + credit] };
        let place = Place { file: file.to_owned(), sheet: None, at };
        let (number, label) = (number.to_owned(), self.label.clone());
        balances.into_iter().map(move |balance| Account {
            number: number.clone(),
            label: label.clone(),
            balance,
            places: vec![place.clone()],
        })
    }
}

/// The company and the year's last day, of a name such as `732829320FEC20241231.txt`.
fn of_name(name: &str) -> (Option<Siren>, Option<NaiveDate>) {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let upper = file.to_uppercase();
    let Some((siren, rest)) = upper.split_once("FEC") else { return (None, None) };
    let date = rest.get(..8).and_then(|date| NaiveDate::parse_from_str(date, "%Y%m%d").ok());
    (siren.parse().ok(), date)
}

#[cfg(test)]
mod tests;
