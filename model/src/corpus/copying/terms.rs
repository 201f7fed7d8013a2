//! What a line of a document can be: terms of accounts, loans, invoices, markets and management, far more than
//! `statement.rs` has measures.

use crate::corpus::french::of_the;

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Euros,
    /// Of euros; in the table of terms, an amount in whatever unit the document has.
    Thousands,
    /// Of euros.
    Millions,
    /// Euros a share.
    EachShare,
    Percent,
    Months,
    Years,
    Days,
    People,
    /// Of whatever the term names.
    Count,
}

impl Unit {
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Self::Euros | Self::EachShare => "€",
            Self::Thousands => "k€",
            Self::Millions => "M€",
            Self::Percent => "%",
            Self::Months => "mois",
            Self::Years => "ans",
            Self::Days => "jours",
            Self::People => "salariés",
            Self::Count => "",
        }
    }
}

/// A term.
#[derive(Debug)]
pub(super) struct Term {
    gender: Gender,
    pub(super) noun: &'static str,
    pub(super) unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gender {
    Masculine,
    Feminine,
    MasculinePlural,
    FemininePlural,
}

impl Term {
    pub(super) fn is_plural(&self) -> bool {
        matches!(self.gender, Gender::MasculinePlural | Gender::FemininePlural)
    }

    pub(super) fn is_feminine(&self) -> bool {
        matches!(self.gender, Gender::Feminine | Gender::FemininePlural)
    }

    fn article(&self) -> &'static str {
        let has_vowel =
            self.noun.starts_with(['a', 'e', 'i', 'o', 'u', 'é', 'è', 'ê', 'â', 'î', 'A', 'E', 'I', 'É', 'œ']);
        match self.gender {
            _ if self.is_plural() => "les ",
            _ if has_vowel => "l'",
            Gender::Feminine => "la ",
            _ => "le ",
        }
    }

    /// `le dividende`
    pub(super) fn definite(&self) -> String {
        format!("{}{}", self.article(), self.noun)
    }

    /// `un dividende`
    pub(super) fn indefinite(&self) -> String {
        let article = match self.gender {
            Gender::Masculine => "un",
            Gender::Feminine => "une",
            _ => "des",
        };
        format!("{article} {}", self.noun)
    }

    /// `du dividende`
    pub(super) fn of(&self) -> String {
        of_the(self.article(), self.noun)
    }
}

macro_rules! terms {
    ($($gender:ident $unit:ident: $($noun:literal),* ;)*) => {
        &[$($(Term { gender: Gender::$gender, noun: $noun, unit: Unit::$unit }),*),*]
    };
}

/// All terms.
pub(super) const TERMS: &[Term] = terms! {
    Masculine Thousands:
        "chiffre d'affaires", "résultat net", "résultat d'exploitation", "résultat opérationnel",
        "résultat opérationnel courant", "résultat courant avant impôts", "résultat financier", "résultat exceptionnel",
        "résultat avant impôt", "résultat net part du groupe", "excédent brut d'exploitation", "total du bilan",
        "total actif", "total passif", "actif circulant", "actif immobilisé", "actif immobilisé net", "passif circulant",
        "capital social", "report à nouveau", "fonds de roulement", "besoin en fonds de roulement", "fonds commercial",
        "endettement bancaire", "endettement net", "endettement total", "carnet de commandes", "flux net d'exploitation",
        "flux d'investissement", "flux de financement", "flux de trésorerie disponible", "découvert bancaire",
        "coût d'achat des marchandises vendues", "coût de production", "coût de revient", "coût du personnel",
        "loyer annuel", "budget de communication", "budget d'investissement", "prix de vente", "prix d'acquisition",
        "montant hors taxes", "montant de la TVA", "net à payer", "total hors taxes", "acompte versé", "reste à payer",
        "capital emprunté", "capital restant dû", "seuil de rentabilité", "salaire brut", "patrimoine net",
        "encours clients", "encours géré", "impôt sur les sociétés", "crédit d'impôt recherche", "dépôt de garantie",
        "produit net bancaire", "coût du risque", "ratio de fonds propres prudentiels";
    Feminine Thousands:
        "valeur ajoutée", "marge commerciale", "marge brute", "marge sur coûts variables", "production vendue",
        "production stockée", "production de l'exercice", "capacité d'autofinancement", "trésorerie nette",
        "trésorerie active", "trésorerie passive", "dette financière nette", "dette brute", "variation du BFR",
        "variation de l'endettement", "variation des stocks", "réserve légale", "subvention d'exploitation",
        "subvention d'investissement", "prime d'émission", "valeur nette comptable", "valeur d'entreprise",
        "capitalisation boursière", "masse salariale", "participation des salariés", "taxe foncière",
        "TVA à décaisser", "TVA déductible", "TVA collectée", "plus-value de cession", "provision pour risques",
        "redevance de crédit-bail", "mensualité", "cotisation annuelle", "épargne de gestion", "indemnité de rupture";
    MasculinePlural Thousands:
        "capitaux propres", "capitaux permanents", "emprunts bancaires", "emprunts obligataires", "concours bancaires courants",
        "stocks de marchandises", "stocks de matières premières", "stocks de produits finis", "achats consommés",
        "achats de marchandises", "autres achats et charges externes", "impôts et taxes", "salaires et traitements",
        "produits financiers", "produits exceptionnels", "produits d'exploitation", "frais de dossier", "frais généraux",
        "frais de déplacement", "honoraires", "investissements", "investissements nets", "dividendes versés",
        "avoirs en banque", "fonds propres", "emplois stables", "intérêts minoritaires", "loyers perçus",
        "comptes courants d'associés", "remboursements d'emprunts", "encaissements", "décaissements";
    FemininePlural Thousands:
        "ventes de marchandises", "ventes à l'export", "charges de personnel", "charges sociales", "charges financières",
        "charges d'intérêts", "charges exceptionnelles", "charges externes", "charges fixes", "charges variables",
        "dotations aux amortissements", "dotations aux provisions", "reprises sur provisions", "créances clients",
        "créances douteuses", "autres créances", "disponibilités", "dettes fournisseurs", "dettes fiscales et sociales",
        "dettes financières", "autres dettes", "dettes d'exploitation", "immobilisations corporelles",
        "immobilisations incorporelles", "immobilisations financières", "immobilisations nettes", "ressources stables",
        "valeurs mobilières de placement", "provisions pour charges", "dépenses de recherche", "primes d'assurance",
        "cessions d'actifs", "recettes totales", "dépenses totales", "consommations de matières";
    Masculine Percent:
        "taux de marge brute", "taux de marge nette", "taux de croissance", "taux nominal", "taux nominal annuel",
        "taux d'endettement", "taux de valeur ajoutée", "taux d'occupation", "taux de TVA", "taux de change",
        "taux d'impayés", "taux de marque", "taux effectif global", "rendement courant", "ratio d'autonomie financière",
        "ratio de solvabilité", "coefficient d'exploitation", "poids des exportations";
    Feminine Percent:
        "marge opérationnelle", "marge d'EBE", "rentabilité économique", "rentabilité financière", "part de l'international",
        "part de marché", "croissance organique", "part des charges de personnel", "inflation retenue", "décote";
    Masculine EachShare:
        "dividende par action", "bénéfice par action", "cours de clôture", "prix d'émission", "coupon unitaire",
        "actif net par part";
    Masculine Days:
        "délai de paiement des clients", "délai de paiement des fournisseurs", "délai moyen de règlement",
        "retard moyen", "délai de rotation des stocks", "préavis";
    Feminine Months:
        "durée", "durée du prêt", "durée restante", "période d'observation", "durée du bail";
    Masculine Months: "différé d'amortissement", "délai de livraison";
    Feminine Years: "ancienneté", "durée d'amortissement", "maturité moyenne";
    Masculine People: "effectif moyen", "effectif", "effectif à la clôture", "nombre de salariés";
    Masculine Count:
        "nombre d'actions", "nombre d'établissements", "nombre de clients", "nombre de commandes", "nombre de points de vente",
        "volume vendu", "nombre de contrats", "nombre de lots";
    Feminine Count: "quantité livrée", "surface exploitée";
};
