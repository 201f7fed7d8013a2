//! The elements of the IFRS taxonomy: which of them means what an item of ours means, and their names in French.
//!
//! An item is given only where the element has the same content. So `NoncurrentAssets` is not the actif immobilisé
//! (deferred taxes and long receivables are in it), `CurrentAssets` not the actif circulant (assets held for sale),
//! `FinanceCosts` not the charges financières (many companies tag the cost of their debt alone with it), `Borrowings`
//! not the dettes financières (bank overdrafts), and purchases, staff, reserves and provisions are not divided as they
//! are in the Plan comptable général.

use std::collections::HashMap;
use std::fmt;

use super::xml::Element;

/// The element for the company's name.
pub(super) const NAME: &str = "NameOfReportingEntityOrOtherMeansOfIdentification";

/// What a fact is called.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Concept {
    /// Of the IFRS taxonomy: its name there.
    Ifrs(String),
    /// Of another taxonomy, mostly the company's own: its name with the document's prefix.
    Other(String),
}

impl Concept {
    /// The concept of `prefix:name` in a document; nothing where the prefix is not declared.
    pub(super) fn of(name: &str, element: &Element<'_>) -> Option<Self> {
        let (namespace, local) = element.resolve(name)?;
        // A date is between the two: each year has a taxonomy of its own.
        let is_ifrs = namespace.contains("//xbrl.ifrs.org/taxonomy/") && namespace.ends_with("/ifrs-full");
        Some(if is_ifrs { Self::Ifrs(local.to_owned()) } else { Self::Other(name.trim().to_owned()) })
    }

    /// Whether it is this one of the IFRS taxonomy.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Ifrs(own) if own == name)
    }

    /// Its name in French, in the company's own labels where we have none; else the words of its name.
    pub(super) fn label(&self, own: &HashMap<String, String>) -> String {
        let known = match self {
            Self::Ifrs(name) => LABELS.iter().find(|(known, _)| known == name).map(|(_, label)| (*label).to_owned()),
            Self::Other(_) => None,
        };
        known.or_else(|| own.get(&self.to_string()).cloned()).unwrap_or_else(|| self.words())
    }

    /// `Current EBITDA` of `CurrentEBITDA`.
    fn words(&self) -> String {
        let (Self::Ifrs(name) | Self::Other(name)) = self;
        let mut words = String::new();
        for char in name.rsplit(':').next().unwrap_or(name).chars() {
            if char.is_uppercase() && words.ends_with(char::is_lowercase) {
                words.push(' ');
            }
            words.push(char);
        }
        words
    }
}

impl fmt::Display for Concept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ifrs(name) => write!(formatter, "ifrs-full:{name}"),
            Self::Other(name) => formatter.write_str(name),
        }
    }
}

/// The items, by the elements that mean the same. Of two for an item the first that a year has counts.
pub(super) const ITEMS: &[(&str, &str)] = &[
    ("Revenue", "chiffre_affaires"),
    // The revenue of a company that has no other, such as rents.
    ("RevenueFromContractsWithCustomers", "chiffre_affaires"),
    ("WagesAndSalaries", "salaires"),
    ("DepreciationAndAmortisationExpense", "dotations_amortissements"),
    // What is exceptional in the Plan comptable général is in it; no measure is computed from it.
    ("ProfitLossFromOperatingActivities", "resultat_exploitation_compte"),
    ("IncomeTaxExpenseContinuingOperations", "impot_benefices"),
    // With the share of the minority, as are the assets and the equity.
    ("ProfitLoss", "resultat_net"),
    ("PropertyPlantAndEquipment", "immobilisations_corporelles"),
    ("Inventories", "stocks"),
    ("CurrentTradeReceivables", "clients"),
    ("CashAndCashEquivalents", "disponibilites"),
    ("Assets", "total_actif"),
    ("IssuedCapital", "capital"),
    ("SharePremium", "primes_emission"),
    ("Equity", "capitaux_propres"),
    ("TradeAndOtherCurrentPayablesToTradeSuppliers", "fournisseurs"),
    ("EquityAndLiabilities", "total_passif"),
    ("RepaymentsOfBorrowingsClassifiedAsFinancingActivities", "remboursements_emprunts"),
];

/// What the elements of the primary statements are called.
const LABELS: &[(&str, &str)] = &[
    ("Revenue", "Chiffre d’affaires"),
    ("RevenueFromContractsWithCustomers", "Produits des contrats avec les clients"),
    ("OtherIncome", "Autres produits"),
    ("OtherOperatingIncomeExpense", "Autres produits et charges opérationnels"),
    ("CostOfSales", "Coût des ventes"),
    ("GrossProfit", "Marge brute"),
    ("RawMaterialsAndConsumablesUsed", "Achats consommés"),
    ("EmployeeBenefitsExpense", "Charges de personnel"),
    ("WagesAndSalaries", "Salaires et traitements"),
    ("DepreciationAndAmortisationExpense", "Dotations aux amortissements"),
    (
        "DepreciationAmortisationAndImpairmentLossReversalOfImpairmentLossRecognisedInProfitOrLoss",
        "Amortissements et dépréciations",
    ),
    ("ImpairmentLossReversalOfImpairmentLossRecognisedInProfitOrLoss", "Dépréciations"),
    ("TaxExpenseOtherThanIncomeTaxExpense", "Impôts et taxes"),
    ("SellingGeneralAndAdministrativeExpense", "Frais commerciaux, généraux et administratifs"),
    ("AdministrativeExpense", "Frais administratifs"),
    ("DistributionCosts", "Coûts de distribution"),
    ("SalesAndMarketingExpense", "Frais commerciaux"),
    ("ResearchAndDevelopmentExpense", "Frais de recherche et développement"),
    ("OtherExpenseByNature", "Autres charges"),
    ("OtherExpenseByFunction", "Autres charges"),
    ("ProfitLossFromOperatingActivities", "Résultat opérationnel"),
    ("FinanceIncome", "Produits financiers"),
    ("FinanceCosts", "Charges financières"),
    ("FinanceIncomeCost", "Résultat financier"),
    ("InterestExpense", "Charges d’intérêts"),
    (
        "ShareOfProfitLossOfAssociatesAndJointVenturesAccountedForUsingEquityMethod",
        "Quote-part de résultat des sociétés mises en équivalence",
    ),
    ("ProfitLossBeforeTax", "Résultat avant impôt"),
    ("IncomeTaxExpenseContinuingOperations", "Impôt sur le résultat"),
    ("ProfitLossFromContinuingOperations", "Résultat des activités poursuivies"),
    ("ProfitLossFromDiscontinuedOperations", "Résultat des activités abandonnées"),
    ("ProfitLoss", "Résultat net"),
    ("ProfitLossAttributableToOwnersOfParent", "Résultat net, part du groupe"),
    ("ProfitLossAttributableToNoncontrollingInterests", "Résultat net, participations ne donnant pas le contrôle"),
    ("BasicEarningsLossPerShare", "Résultat de base par action"),
    ("DilutedEarningsLossPerShare", "Résultat dilué par action"),
    ("OtherComprehensiveIncome", "Autres éléments du résultat global"),
    ("ComprehensiveIncome", "Résultat global"),
    ("NoncurrentAssets", "Actifs non courants"),
    ("Goodwill", "Goodwill"),
    ("IntangibleAssetsOtherThanGoodwill", "Immobilisations incorporelles hors goodwill"),
    ("IntangibleAssetsAndGoodwill", "Immobilisations incorporelles et goodwill"),
    ("PropertyPlantAndEquipment", "Immobilisations corporelles"),
    ("PropertyPlantAndEquipmentIncludingRightofuseAssets", "Immobilisations corporelles, droits d’utilisation compris"),
    ("RightofuseAssets", "Droits d’utilisation"),
    ("RightofuseAssetsThatDoNotMeetDefinitionOfInvestmentProperty", "Droits d’utilisation"),
    ("InvestmentProperty", "Immeubles de placement"),
    ("InvestmentAccountedForUsingEquityMethod", "Participations mises en équivalence"),
    ("OtherNoncurrentFinancialAssets", "Autres actifs financiers non courants"),
    ("NoncurrentFinancialAssets", "Actifs financiers non courants"),
    ("OtherNoncurrentAssets", "Autres actifs non courants"),
    ("DeferredTaxAssets", "Impôts différés actifs"),
    ("CurrentAssets", "Actifs courants"),
    ("Inventories", "Stocks"),
    ("TradeAndOtherCurrentReceivables", "Clients et autres débiteurs"),
    ("CurrentTradeReceivables", "Créances clients"),
    ("OtherCurrentReceivables", "Autres débiteurs"),
    ("CurrentContractAssets", "Actifs sur contrats courants"),
    ("CurrentTaxAssetsCurrent", "Créances d’impôt courant"),
    ("OtherCurrentFinancialAssets", "Autres actifs financiers courants"),
    ("OtherCurrentAssets", "Autres actifs courants"),
    ("CashAndCashEquivalents", "Trésorerie et équivalents de trésorerie"),
    ("NoncurrentAssetsOrDisposalGroupsClassifiedAsHeldForSale", "Actifs destinés à être cédés"),
    ("Assets", "Total de l’actif"),
    ("Equity", "Capitaux propres"),
    ("EquityAttributableToOwnersOfParent", "Capitaux propres, part du groupe"),
    ("NoncontrollingInterests", "Participations ne donnant pas le contrôle"),
    ("IssuedCapital", "Capital"),
    ("SharePremium", "Primes"),
    ("RetainedEarnings", "Réserves et résultats non distribués"),
    ("OtherReserves", "Autres réserves"),
    ("TreasuryShares", "Actions propres"),
    ("Liabilities", "Passifs"),
    ("NoncurrentLiabilities", "Passifs non courants"),
    ("CurrentLiabilities", "Passifs courants"),
    ("Borrowings", "Emprunts"),
    ("LongtermBorrowings", "Emprunts à long terme"),
    ("NoncurrentPortionOfNoncurrentBorrowings", "Emprunts, part non courante"),
    ("ShorttermBorrowings", "Emprunts à court terme"),
    ("CurrentPortionOfLongtermBorrowings", "Emprunts à long terme, part courante"),
    ("CurrentBorrowingsAndCurrentPortionOfNoncurrentBorrowings", "Emprunts courants"),
    ("LeaseLiabilities", "Dettes de location"),
    ("NoncurrentLeaseLiabilities", "Dettes de location non courantes"),
    ("CurrentLeaseLiabilities", "Dettes de location courantes"),
    ("NoncurrentProvisions", "Provisions non courantes"),
    ("CurrentProvisions", "Provisions courantes"),
    ("NoncurrentProvisionsForEmployeeBenefits", "Avantages du personnel non courants"),
    ("DeferredTaxLiabilities", "Impôts différés passifs"),
    ("OtherNoncurrentFinancialLiabilities", "Autres passifs financiers non courants"),
    ("OtherCurrentFinancialLiabilities", "Autres passifs financiers courants"),
    ("OtherNoncurrentLiabilities", "Autres passifs non courants"),
    ("OtherCurrentLiabilities", "Autres passifs courants"),
    ("TradeAndOtherCurrentPayables", "Fournisseurs et autres créditeurs"),
    ("TradeAndOtherCurrentPayablesToTradeSuppliers", "Dettes fournisseurs"),
    ("CurrentContractLiabilities", "Passifs sur contrats courants"),
    ("CurrentTaxLiabilitiesCurrent", "Dettes d’impôt courant"),
    ("LiabilitiesIncludedInDisposalGroupsClassifiedAsHeldForSale", "Passifs liés à des actifs destinés à être cédés"),
    ("EquityAndLiabilities", "Total du passif"),
    ("CashFlowsFromUsedInOperatingActivities", "Flux de trésorerie des activités opérationnelles"),
    ("CashFlowsFromUsedInInvestingActivities", "Flux de trésorerie des activités d’investissement"),
    ("CashFlowsFromUsedInFinancingActivities", "Flux de trésorerie des activités de financement"),
    ("IncreaseDecreaseInCashAndCashEquivalents", "Variation de la trésorerie"),
    (
        "PurchaseOfPropertyPlantAndEquipmentClassifiedAsInvestingActivities",
        "Acquisitions d’immobilisations corporelles",
    ),
    ("ProceedsFromBorrowingsClassifiedAsFinancingActivities", "Emprunts nouveaux"),
    ("RepaymentsOfBorrowingsClassifiedAsFinancingActivities", "Remboursements d’emprunts"),
    ("PaymentsOfLeaseLiabilitiesClassifiedAsFinancingActivities", "Remboursements de dettes de location"),
    ("DividendsPaidClassifiedAsFinancingActivities", "Dividendes versés"),
    ("InterestPaidClassifiedAsFinancingActivities", "Intérêts versés"),
    ("InterestPaidClassifiedAsOperatingActivities", "Intérêts versés"),
    ("IncomeTaxesPaidRefundClassifiedAsOperatingActivities", "Impôts versés"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::items;

    #[test]
    fn each_element_has_one_item_and_one_name() {
        let (mut elements, mut labelled) = (HashSet::new(), HashSet::new());
        for (element, id) in ITEMS {
            assert!(elements.insert(element) && items::item(id).is_some(), "{element} {id}");
        }
        for (element, label) in LABELS {
            assert!(labelled.insert(element) && !label.contains('\''), "{element} {label}");
        }
        assert!(elements.is_subset(&labelled));
    }

    #[test]
    fn a_fact_is_called_what_we_call_it_then_what_the_company_does() {
        let own = HashMap::from([("ovh:CurrentEBITDA".to_owned(), "EBITDA courant".to_owned())]);
        let other = |name: &str| Concept::Other(name.to_owned());
        let ifrs = |name: &str| Concept::Ifrs(name.to_owned());
        assert_eq!(ifrs("Goodwill").label(&own), "Goodwill");
        assert_eq!(other("ovh:CurrentEBITDA").label(&own), "EBITDA courant");
        assert_eq!(other("ovh:NetDebtEBITDA").label(&own), "Net Debt EBITDA");
        assert_eq!(ifrs("DividendsRecognised").label(&own), "Dividends Recognised");
        assert_eq!((ifrs("Equity").to_string(), other("a:B").to_string()), ("ifrs-full:Equity".into(), "a:B".into()));
    }
}
