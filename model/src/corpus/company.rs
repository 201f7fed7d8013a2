//! Companies whose accounts are consistent: statements in thousands of euros, and what follows from them.
//!
//! The soldes intermédiaires de gestion and the capacité d'autofinancement are those of the Plan comptable général;
//! the bilan fonctionnel's terms those of French financial analysis. Nothing here is written for a reader:
//! `statement.rs` does that.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::french::{rounded, share};

/// What a company does, which decides the shape of its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trade {
    /// Buys and sells goods.
    Commerce,
    /// Makes goods.
    Industry,
    /// Sells work.
    Services,
}

/// A company and its fiscal years, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Company {
    pub(crate) name: String,
    pub(crate) activity: &'static str,
    pub(crate) city: &'static str,
    pub(crate) years: Vec<Year>,
}

/// A fiscal year's accounts, in thousands of euros.
#[derive(Clone, Debug, Default)]
pub(crate) struct Year {
    pub(crate) year: i64,
    pub(crate) goods_sold: i64,
    pub(crate) cost_of_goods: i64,
    pub(crate) production_sold: i64,
    pub(crate) production_stored: i64,
    pub(crate) external_costs: i64,
    pub(crate) subsidies: i64,
    pub(crate) taxes: i64,
    pub(crate) staff: i64,
    pub(crate) headcount: i64,
    pub(crate) depreciation: i64,
    pub(crate) reversals: i64,
    pub(crate) financial_income: i64,
    pub(crate) interest: i64,
    pub(crate) exceptional_income: i64,
    pub(crate) exceptional_costs: i64,
    pub(crate) corporate_tax: i64,
    pub(crate) fixed_assets: i64,
    pub(crate) stocks: i64,
    pub(crate) receivables: i64,
    pub(crate) other_receivables: i64,
    pub(crate) cash: i64,
    pub(crate) equity: i64,
    pub(crate) share_capital: i64,
    pub(crate) financial_debt: i64,
    pub(crate) payables: i64,
    pub(crate) tax_and_social_debt: i64,
    pub(crate) bank_overdraft: i64,
}

impl Year {
    pub(crate) fn revenue(&self) -> i64 {
        self.goods_sold + self.production_sold
    }

    pub(crate) fn trade_margin(&self) -> i64 {
        self.goods_sold - self.cost_of_goods
    }

    pub(crate) fn production(&self) -> i64 {
        self.production_sold + self.production_stored
    }

    pub(crate) fn value_added(&self) -> i64 {
        self.trade_margin() + self.production() - self.external_costs
    }

    pub(crate) fn gross_operating_surplus(&self) -> i64 {
        self.value_added() + self.subsidies - self.taxes - self.staff
    }

    pub(crate) fn operating_result(&self) -> i64 {
        self.gross_operating_surplus() + self.reversals - self.depreciation
    }

    pub(crate) fn current_result(&self) -> i64 {
        self.operating_result() + self.financial_income - self.interest
    }

    pub(crate) fn exceptional_result(&self) -> i64 {
        self.exceptional_income - self.exceptional_costs
    }

    pub(crate) fn net_result(&self) -> i64 {
        self.current_result() + self.exceptional_result() - self.corporate_tax
    }

    /// The capacité d'autofinancement, from the net result.
    pub(crate) fn self_financing(&self) -> i64 {
        self.net_result() + self.depreciation - self.reversals
    }

    pub(crate) fn current_liabilities(&self) -> i64 {
        self.payables + self.tax_and_social_debt
    }

    /// The fonds de roulement: stable resources less fixed assets.
    pub(crate) fn working_capital(&self) -> i64 {
        self.equity + self.financial_debt - self.fixed_assets
    }

    /// The besoin en fonds de roulement.
    pub(crate) fn working_capital_need(&self) -> i64 {
        self.stocks + self.receivables + self.other_receivables - self.current_liabilities()
    }

    /// The trésorerie nette.
    pub(crate) fn net_cash(&self) -> i64 {
        self.cash - self.bank_overdraft
    }

    pub(crate) fn total_assets(&self) -> i64 {
        self.fixed_assets + self.stocks + self.receivables + self.other_receivables + self.cash
    }

    pub(crate) fn net_debt(&self) -> i64 {
        self.financial_debt + self.bank_overdraft - self.cash
    }

    /// Days of sales that customers owe, sales with 20 % of VAT.
    pub(crate) fn customer_days(&self) -> i64 {
        rounded(self.receivables * 360 * 10, self.revenue() * 12)
    }

    /// Days of purchases that suppliers are owed, purchases with 20 % of VAT.
    pub(crate) fn supplier_days(&self) -> i64 {
        rounded(self.payables * 360 * 10, (self.cost_of_goods + self.external_costs).max(1) * 12)
    }

    /// The share of equity in the balance sheet, in tenths of a percent.
    pub(crate) fn autonomy(&self) -> Option<i64> {
        share(self.equity, self.total_assets())
    }
}

const FIRST: [&str; 44] = [
    "Alba",
    "Armor",
    "Atelier",
    "Boréal",
    "Calix",
    "Cap",
    "Celtia",
    "Comptoir",
    "Delta",
    "Domaine",
    "Écla",
    "Élysée",
    "Ferro",
    "Floral",
    "Garonne",
    "Granit",
    "Hexa",
    "Horizon",
    "Iris",
    "Jurassic",
    "Kaolin",
    "Lumen",
    "Maison",
    "Maritima",
    "Nord",
    "Nova",
    "Occitan",
    "Opale",
    "Orme",
    "Papeterie",
    "Phare",
    "Provence",
    "Quartz",
    "Rhodan",
    "Roc",
    "Savoie",
    "Sillon",
    "Solstice",
    "Tessier",
    "Tramontane",
    "Univers",
    "Vauban",
    "Verdon",
    "Zénith",
];
const SECOND: [&str; 40] = [
    "Agro",
    "Aménagement",
    "Bâti",
    "Bois",
    "Bureau",
    "Conseil",
    "Cuisine",
    "Design",
    "Distribution",
    "Électronique",
    "Emballage",
    "Énergies",
    "Équipement",
    "Formation",
    "Fournitures",
    "Gestion",
    "Hôtels",
    "Industrie",
    "Ingénierie",
    "Jardin",
    "Literie",
    "Logistique",
    "Mécanique",
    "Menuiserie",
    "Métal",
    "Meubles",
    "Optique",
    "Outillage",
    "Paysages",
    "Plastiques",
    "Primeurs",
    "Santé",
    "Services",
    "Sports",
    "Technologies",
    "Textile",
    "Tourisme",
    "Traiteur",
    "Transports",
    "Vins",
];
const FORMS: [&str; 5] = ["SARL", "SAS", "SA", "EURL", "SASU"];
const CITIES: [&str; 24] = [
    "Lyon",
    "Nantes",
    "Rennes",
    "Bordeaux",
    "Toulouse",
    "Lille",
    "Strasbourg",
    "Dijon",
    "Angers",
    "Grenoble",
    "Metz",
    "Tours",
    "Reims",
    "Le Mans",
    "Brest",
    "Limoges",
    "Clermont-Ferrand",
    "Amiens",
    "Annecy",
    "Poitiers",
    "Pau",
    "Caen",
    "Orléans",
    "Nîmes",
];
const COMMERCE: [&str; 10] = [
    "négoce de matériaux",
    "vente de mobilier",
    "commerce de gros alimentaire",
    "distribution de pièces automobiles",
    "vente de vêtements",
    "commerce de matériel médical",
    "librairie et papeterie",
    "vente d'articles de sport",
    "négoce de vins",
    "distribution de produits électroniques",
];
const INDUSTRY: [&str; 10] = [
    "fabrication de meubles",
    "mécanique de précision",
    "emballage en carton",
    "fabrication de textiles",
    "transformation de plastiques",
    "construction métallique",
    "biscuiterie",
    "fabrication de cosmétiques",
    "imprimerie",
    "fabrication d'instruments de mesure",
];
const SERVICES: [&str; 10] = [
    "conseil en gestion",
    "services informatiques",
    "nettoyage de bureaux",
    "transport routier",
    "bureau d'études",
    "formation professionnelle",
    "hôtellerie",
    "travaux de rénovation",
    "location de matériel",
    "communication",
];

impl Company {
    /// A company with one to three fiscal years.
    pub(crate) fn generate(rng: &mut ChaCha8Rng) -> Self {
        let trade = *[Trade::Commerce, Trade::Industry, Trade::Services].choose(rng).expect("it has three");
        let activities = match trade {
            Trade::Commerce => COMMERCE,
            Trade::Industry => INDUSTRY,
            Trade::Services => SERVICES,
        };
        let choose = |rng: &mut ChaCha8Rng, of: &[&'static str]| *of.choose(rng).expect("no list is empty");
        let name = match rng.random_range(0..3) {
            0 => format!("{} {}", choose(rng, &FIRST), choose(rng, &SECOND)),
            1 => format!("{} {} {}", choose(rng, &FORMS), choose(rng, &FIRST), choose(rng, &SECOND)),
            _ => format!("{} {} {}", choose(rng, &FIRST), choose(rng, &SECOND), choose(rng, &FORMS)),
        };
        let count = rng.random_range(1..=3);
        let last = rng.random_range(2016..=2025);
        let scale = 10_f64.powf(rng.random_range(2.5..5.0));
        let mut years = Vec::new();
        let mut revenue = scale;
        for year in last - count + 1..=last {
            years.push(generate_year(rng, trade, year, revenue as i64, years.last()));
            revenue *= rng.random_range(0.85..1.22);
        }
        Self { name, activity: choose(rng, &activities), city: choose(rng, &CITIES), years }
    }
}

/// A year that follows `before`, with about `revenue` in sales.
fn generate_year(rng: &mut ChaCha8Rng, trade: Trade, year: i64, revenue: i64, before: Option<&Year>) -> Year {
    let part = |rng: &mut ChaCha8Rng, of: i64, low: f64, high: f64| (of as f64 * rng.random_range(low..high)) as i64;
    let goods_sold = match trade {
        Trade::Commerce => part(rng, revenue, 0.85, 1.0),
        Trade::Industry if rng.random_bool(0.4) => part(rng, revenue, 0.05, 0.2),
        _ => 0,
    };
    let cost_of_goods = part(rng, goods_sold, 0.55, 0.75);
    let production_sold = revenue - goods_sold;
    let is_industry = trade == Trade::Industry;
    let production_stored = if is_industry { part(rng, production_sold, -0.02, 0.04) } else { 0 };
    let external_costs = match trade {
        Trade::Commerce => part(rng, revenue, 0.10, 0.16),
        Trade::Industry => part(rng, production_sold, 0.42, 0.56),
        Trade::Services => part(rng, production_sold, 0.22, 0.36),
    };
    let value_added = goods_sold - cost_of_goods + production_sold + production_stored - external_costs;
    let staff = part(rng, value_added, 0.6, 0.98);
    let mut now = Year {
        year,
        goods_sold,
        cost_of_goods,
        production_sold,
        production_stored,
        external_costs,
        subsidies: if rng.random_bool(0.3) { part(rng, revenue, 0.001, 0.01) } else { 0 },
        taxes: part(rng, revenue, 0.008, 0.018),
        staff,
        headcount: (staff / rng.random_range(38..62)).max(1),
        depreciation: part(rng, revenue, 0.01, 0.05),
        reversals: if rng.random_bool(0.3) { part(rng, revenue, 0.001, 0.006) } else { 0 },
        financial_income: part(rng, revenue, 0.0, 0.003),
        interest: part(rng, revenue, 0.002, 0.015),
        exceptional_income: if rng.random_bool(0.5) { part(rng, revenue, 0.0, 0.01) } else { 0 },
        exceptional_costs: if rng.random_bool(0.5) { part(rng, revenue, 0.0, 0.008) } else { 0 },
        ..Year::default()
    };
    let taxed = now.current_result() + now.exceptional_result();
    now.corporate_tax = rounded(taxed.max(0), 4);
    fund(rng, trade, &mut now, before);
    now
}

/// The balance sheet: equity grows by the result, cash or the overdraft is what is left.
fn fund(rng: &mut ChaCha8Rng, trade: Trade, now: &mut Year, before: Option<&Year>) {
    let revenue = now.revenue();
    let part = |rng: &mut ChaCha8Rng, of: i64, low: f64, high: f64| (of as f64 * rng.random_range(low..high)) as i64;
    now.fixed_assets = match before {
        Some(before) => (before.fixed_assets - now.depreciation + part(rng, revenue, 0.01, 0.07)).max(1),
        None => part(rng, revenue, 0.12, 0.5),
    };
    now.stocks = match trade {
        Trade::Services => part(rng, revenue, 0.0, 0.02),
        _ => part(rng, revenue, 0.08, 0.2),
    };
    now.receivables = part(rng, revenue, 0.08, 0.24);
    now.other_receivables = part(rng, revenue, 0.01, 0.04);
    now.payables = part(rng, now.cost_of_goods + now.external_costs, 0.12, 0.26);
    now.tax_and_social_debt = part(rng, revenue, 0.04, 0.09);
    (now.equity, now.share_capital) = match before {
        Some(before) => (before.equity + now.net_result(), before.share_capital),
        None => {
            let capital =
                [10, 20, 50, 100, 200, 500].into_iter().rfind(|&capital| capital * 12 <= revenue).unwrap_or(10);
            (capital + now.net_result() + part(rng, revenue, 0.03, 0.35), capital)
        }
    };
    now.financial_debt = match before {
        Some(before) => part(rng, before.financial_debt, 0.75, 1.1),
        None => part(rng, revenue, 0.05, 0.3),
    };
    let left = now.working_capital() - now.working_capital_need();
    // A company with an overdraft has some money, too.
    let till = part(rng, revenue, 0.002, 0.02);
    (now.cash, now.bank_overdraft) = if left >= till { (left, 0) } else { (till, till - left) };
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::Company;

    #[test]
    fn accounts_are_consistent() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for _ in 0..2000 {
            let company = Company::generate(&mut rng);
            for year in &company.years {
                let liabilities = year.equity + year.financial_debt + year.current_liabilities() + year.bank_overdraft;
                assert_eq!(year.total_assets(), liabilities, "{year:?}");
                assert_eq!(year.net_cash(), year.working_capital() - year.working_capital_need());
                // The additive method: what is cashed of the gross operating surplus, down to the tax.
                let additive = year.gross_operating_surplus() + year.financial_income - year.interest
                    + year.exceptional_result()
                    - year.corporate_tax;
                assert_eq!(year.self_financing(), additive);
                assert!(year.cash >= 0 && year.bank_overdraft >= 0 && year.fixed_assets > 0, "{year:?}");
            }
            for pair in company.years.windows(2) {
                assert_eq!(pair[1].equity, pair[0].equity + pair[1].net_result());
            }
        }
    }
}
