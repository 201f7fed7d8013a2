//! The bilan's actif: form 2050. Each line is gross, depreciation and net.

use super::Group::Actif;
use super::{Item, Part, line, total};

const fn gross(item: Item) -> Item {
    Item { part: Some(Part::Gross), ..item }
}

/// The items of a line: gross, depreciation and net.
macro_rules! asset {
    ($id:literal, $label:literal, $codes:expr, $gross:literal, $depreciation:literal) => {
        [
            gross(line(concat!($id, "_brut"), concat!($label, " (brut)"), Actif, $codes.0, $gross)),
            gross(line(
                concat!($id, "_depreciation"),
                concat!($label, " (amortissements et dépréciations)"),
                Actif,
                $codes.1,
                $depreciation,
            )),
            total($id, $label, Actif, "", concat!($id, "_brut - ", $id, "_depreciation")),
        ]
    };
}

/// The lines, each three items.
pub(super) static LINES: [[Item; 3]; 34] = [
    asset!("capital_non_appele", "Capital souscrit non appelé", ("AA", ""), "109", ""),
    asset!("frais_etablissement", "Frais d’établissement", ("AB", "AC"), "201", "2801 2901"),
    asset!("frais_developpement", "Frais de développement", ("CX", "CQ"), "203", "2803 2903"),
    asset!("concessions_brevets", "Concessions, brevets et droits similaires", ("AF", "AG"), "205", "2805 2905"),
    asset!("fonds_commercial", "Fonds commercial", ("AH", "AI"), "206 207", "2806 2807 2906 2907"),
    asset!(
        "autres_immobilisations_incorporelles",
        "Autres immobilisations incorporelles",
        ("AJ", "AK"),
        "20 208",
        "280 290 2808 2908"
    ),
    asset!(
        "avances_immobilisations_incorporelles",
        "Immobilisations incorporelles en cours, avances et acomptes",
        ("AL", "AM"),
        "232 237",
        "2932"
    ),
    asset!("terrains", "Terrains", ("AN", "AO"), "211 212", "2811 2812 2911 2912"),
    asset!("constructions", "Constructions", ("AP", "AQ"), "213 214", "2813 2814 2913 2914"),
    asset!(
        "installations_techniques",
        "Installations techniques, matériel et outillage industriels",
        ("AR", "AS"),
        "215",
        "2815 2915"
    ),
    asset!(
        "autres_immobilisations_corporelles",
        "Autres immobilisations corporelles",
        ("AT", "AU"),
        "21 218 22 24",
        "28 29 281 2818 282 291 2918 292"
    ),
    asset!("immobilisations_en_cours", "Immobilisations corporelles en cours", ("AV", "AW"), "23 231", "293 2931"),
    asset!("avances_immobilisations", "Avances et acomptes sur immobilisations corporelles", ("AX", "AY"), "238", ""),
    asset!("participations", "Participations", ("CS", "CT"), "25 26 261 262 266", "295 296 2961 2962 2966"),
    asset!("titres_portefeuille", "Titres immobilisés de l’activité de portefeuille", ("CU", "CV"), "273", "2973"),
    asset!("creances_participations", "Créances rattachées à des participations", ("BB", "BC"), "267 268", "2967 2968"),
    asset!(
        "autres_titres_immobilises",
        "Autres titres immobilisés",
        ("BD", "BE"),
        "271 272 277 27682",
        "2971 2972 2977"
    ),
    asset!("prets", "Prêts", ("BF", "BG"), "274 27684", "2974"),
    asset!(
        "autres_immobilisations_financieres",
        "Autres immobilisations financières",
        ("BH", "BI"),
        "27 275 276 278",
        "297 2975 2976 2978"
    ),
    asset!("matieres_premieres", "Matières premières, approvisionnements", ("BL", "BM"), "3 31 32 36 38", "39 391 392"),
    asset!("en_cours_biens", "En-cours de production de biens", ("BN", "BO"), "33", "393"),
    asset!("en_cours_services", "En-cours de production de services", ("BP", "BQ"), "34", "394"),
    asset!("produits_finis", "Produits intermédiaires et finis", ("BR", "BS"), "35", "395"),
    asset!("marchandises", "Marchandises", ("BT", "BU"), "37", "397"),
    asset!("avances_commandes", "Avances et acomptes versés sur commandes", ("BV", "BW"), "4091D", ""),
    asset!("clients", "Clients et comptes rattachés", ("BX", "BY"), "41D 4191D", "491"),
    asset!("autres_creances", "Autres créances", ("BZ", "CA"), "18D 40D 42D 43D 44D 45D 46D 47D 48D", "49 495 496"),
    asset!("capital_appele_non_verse", "Capital souscrit et appelé, non versé", ("CB", "CC"), "4562D", ""),
    asset!("valeurs_mobilieres", "Valeurs mobilières de placement", ("CD", "CE"), "50 52D", "59 590"),
    asset!("disponibilites", "Disponibilités", ("CF", "CG"), "5D 51D 53 54 58D", ""),
    asset!("charges_constatees_avance", "Charges constatées d’avance", ("CH", "CI"), "486 4886", ""),
    asset!("charges_a_repartir", "Frais d’émission d’emprunts", ("CW", ""), "481", ""),
    asset!("primes_remboursement", "Primes de remboursement des emprunts", ("CM", ""), "169", ""),
    asset!("ecarts_conversion_actif", "Écarts de conversion actif", ("CN", ""), "476 4746 4786", ""),
];

/// The totals.
pub(super) static TOTALS: &[Item] = &[
    total(
        "immobilisations_incorporelles",
        "Immobilisations incorporelles",
        Actif,
        "",
        "frais_etablissement + frais_developpement + concessions_brevets + fonds_commercial \
         + autres_immobilisations_incorporelles + avances_immobilisations_incorporelles",
    ),
    total(
        "immobilisations_corporelles",
        "Immobilisations corporelles",
        Actif,
        "",
        "terrains + constructions + installations_techniques + autres_immobilisations_corporelles \
         + immobilisations_en_cours + avances_immobilisations",
    ),
    total(
        "immobilisations_financieres",
        "Immobilisations financières",
        Actif,
        "",
        "participations + titres_portefeuille + creances_participations + autres_titres_immobilises + prets \
         + autres_immobilisations_financieres",
    ),
    total(
        "actif_immobilise",
        "Actif immobilisé",
        Actif,
        "",
        "immobilisations_incorporelles + immobilisations_corporelles + immobilisations_financieres",
    ),
    gross(total(
        "actif_immobilise_brut",
        "Actif immobilisé (brut)",
        Actif,
        "BJ",
        "frais_etablissement_brut + frais_developpement_brut + concessions_brevets_brut + fonds_commercial_brut \
         + autres_immobilisations_incorporelles_brut + avances_immobilisations_incorporelles_brut + terrains_brut \
         + constructions_brut + installations_techniques_brut + autres_immobilisations_corporelles_brut \
         + immobilisations_en_cours_brut + avances_immobilisations_brut + participations_brut + titres_portefeuille_brut \
         + creances_participations_brut + autres_titres_immobilises_brut + prets_brut \
         + autres_immobilisations_financieres_brut",
    )),
    gross(total(
        "actif_immobilise_depreciation",
        "Actif immobilisé (amortissements et dépréciations)",
        Actif,
        "BK",
        "frais_etablissement_depreciation + frais_developpement_depreciation + concessions_brevets_depreciation \
         + fonds_commercial_depreciation + autres_immobilisations_incorporelles_depreciation \
         + avances_immobilisations_incorporelles_depreciation + terrains_depreciation + constructions_depreciation \
         + installations_techniques_depreciation + autres_immobilisations_corporelles_depreciation \
         + immobilisations_en_cours_depreciation + avances_immobilisations_depreciation \
         + participations_depreciation + titres_portefeuille_depreciation + creances_participations_depreciation \
         + autres_titres_immobilises_depreciation + prets_depreciation \
         + autres_immobilisations_financieres_depreciation",
    )),
    total(
        "stocks",
        "Stocks et en-cours",
        Actif,
        "",
        "matieres_premieres + en_cours_biens + en_cours_services + produits_finis + marchandises",
    ),
    gross(total(
        "stocks_brut",
        "Stocks et en-cours (brut)",
        Actif,
        "",
        "matieres_premieres_brut + en_cours_biens_brut + en_cours_services_brut + produits_finis_brut \
         + marchandises_brut",
    )),
    total("creances", "Créances", Actif, "", "clients + autres_creances + capital_appele_non_verse"),
    total(
        "actif_circulant",
        "Actif circulant",
        Actif,
        "",
        "stocks + avances_commandes + creances + valeurs_mobilieres + disponibilites + charges_constatees_avance",
    ),
    gross(total(
        "actif_circulant_depreciation",
        "Actif circulant (dépréciations)",
        Actif,
        "CK",
        "matieres_premieres_depreciation + en_cours_biens_depreciation + en_cours_services_depreciation \
         + produits_finis_depreciation + marchandises_depreciation + avances_commandes_depreciation \
         + clients_depreciation + autres_creances_depreciation + capital_appele_non_verse_depreciation \
         + valeurs_mobilieres_depreciation + disponibilites_depreciation + charges_constatees_avance_depreciation",
    )),
    total(
        "total_actif",
        "Total de l’actif",
        Actif,
        "",
        "capital_non_appele + actif_immobilise + actif_circulant + charges_a_repartir + primes_remboursement \
         + ecarts_conversion_actif",
    ),
];
