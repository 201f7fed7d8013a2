//! What analysts compute from the lines. Where a measure has competing definitions, its text says which this is.

use super::Group::{BilanFonctionnel, Caf, Rentabilite, Rotation, Sig, Structure};
use super::Unit::{Currency, Days, Percent, Times};
use super::{Group, Item, Unit};

const PCG: &str = "Plan comptable général (règlement ANC 2014-03, version au 1er janvier 2024), article 842-1";
const CAF: &str = "Plan comptable général (règlement ANC 2014-03, version au 1er janvier 2024), article 842-2";
const FONCTIONNEL: &str = "Bilan fonctionnel, d’usage en analyse financière\u{a0}: valeurs brutes (nettes à défaut), \
                           amortissements et dépréciations parmi les ressources stables";

const fn measure(
    id: &'static str,
    label: &'static str,
    (group, unit): (Group, Unit),
    formula: &'static str,
    definition: &'static str,
) -> Item {
    Item { id, label, group, unit, part: None, code: None, accounts: "", formula: Some(formula), definition }
}

const SIG: (Group, Unit) = (Sig, Currency);
const BILAN: (Group, Unit) = (BilanFonctionnel, Currency);

pub(super) static ITEMS: &[Item] = &[
    measure(
        "marge_commerciale",
        "Marge commerciale",
        SIG,
        "ventes_marchandises - achats_marchandises - variation_stocks_marchandises",
        PCG,
    ),
    measure(
        "production_exercice",
        "Production de l’exercice",
        SIG,
        "production_vendue_biens + production_vendue_services + production_stockee + production_immobilisee",
        PCG,
    ),
    measure(
        "consommations",
        "Consommations de l’exercice en provenance de tiers",
        SIG,
        "achats_matieres + variation_stocks_matieres + autres_achats_charges_externes",
        PCG,
    ),
    measure("valeur_ajoutee", "Valeur ajoutée", SIG, "marge_commerciale + production_exercice - consommations", PCG),
    measure(
        "ebe",
        "Excédent brut d’exploitation",
        SIG,
        "valeur_ajoutee + sinon(subventions_exploitation, subventions) - impots_taxes - salaires - charges_sociales",
        PCG,
    ),
    measure(
        "resultat_exploitation",
        "Résultat d’exploitation",
        SIG,
        "ebe + subventions - sinon(subventions_exploitation, subventions) + reprises_et_transferts + autres_produits \
         - dotations_exploitation - autres_charges",
        PCG,
    ),
    measure(
        "rcai",
        "Résultat courant avant impôts",
        SIG,
        "resultat_exploitation + benefice_attribue - perte_supportee + produits_financiers - charges_financieres",
        PCG,
    ),
    measure(
        "resultat_exceptionnel",
        "Résultat exceptionnel",
        SIG,
        "produits_exceptionnels - charges_exceptionnelles",
        PCG,
    ),
    measure(
        "resultat_net_sig",
        "Résultat de l’exercice",
        SIG,
        "rcai + resultat_exceptionnel - participation_salaries - impot_benefices",
        PCG,
    ),
    measure(
        "resultat_cessions",
        "Plus ou moins-values sur cessions",
        SIG,
        "produits_cessions + produits_cessions_exploitation + produits_cessions_financieres \
         - valeur_comptable_cessions - valeur_comptable_cessions_exploitation - valeur_comptable_cessions_financieres",
        PCG,
    ),
    measure(
        "reprises_calculees",
        "Reprises d’exploitation",
        (Caf, Currency),
        "sinon(reprises_exploitation, reprises_et_transferts - sinon(transferts_charges, 0))",
        CAF,
    ),
    measure(
        "charges_calculees",
        "Dotations et valeurs comptables des cessions",
        (Caf, Currency),
        "dotations_exploitation + dotations_financieres + dotations_exceptionnelles \
         + sinon(valeur_comptable_cessions, charges_exceptionnelles_capital) \
         + sinon(valeur_comptable_cessions_exploitation, 0) + sinon(valeur_comptable_cessions_financieres, 0)",
        CAF,
    ),
    measure(
        "produits_calcules",
        "Reprises, produits des cessions et quotes-parts de subventions",
        (Caf, Currency),
        "reprises_calculees + sinon(reprises_financieres, reprises_et_transferts_financiers) \
         + sinon(reprises_exceptionnelles, reprises_et_transferts_exceptionnels) \
         + sinon(produits_cessions + quote_part_subventions, produits_exceptionnels_capital) \
         + sinon(produits_cessions_exploitation, 0) + sinon(produits_cessions_financieres, 0) \
         + sinon(quote_part_subventions_exploitation, 0)",
        CAF,
    ),
    measure(
        "caf",
        "Capacité d’autofinancement",
        (Caf, Currency),
        "resultat_net + charges_calculees - produits_calcules",
        "Méthode additive, à partir du résultat\u{a0}: d’usage, elle n’est pas dans le Plan comptable général",
    ),
    measure(
        "caf_soustractive",
        "Capacité d’autofinancement (méthode soustractive)",
        (Caf, Currency),
        "ebe + reprises_et_transferts - reprises_calculees \
         + sinon(autres_produits_gestion, autres_produits) - sinon(autres_charges_gestion, autres_charges) \
         + benefice_attribue - perte_supportee \
         + produits_financiers - sinon(reprises_financieres, reprises_et_transferts_financiers) \
         - sinon(produits_cessions_financieres, 0) \
         - (charges_financieres - dotations_financieres - sinon(valeur_comptable_cessions_financieres, 0)) \
         + produits_exceptionnels - sinon(produits_cessions + quote_part_subventions, produits_exceptionnels_capital) \
         - sinon(reprises_exceptionnelles, reprises_et_transferts_exceptionnels) \
         - (charges_exceptionnelles - sinon(valeur_comptable_cessions, charges_exceptionnelles_capital) \
         - dotations_exceptionnelles) \
         - participation_salaries - impot_benefices",
        "Méthode soustractive, à partir de l’EBE. Plan comptable général (règlement ANC 2014-03, version au 1er \
         janvier 2024), article 842-2",
    ),
    measure(
        "dettes_financieres",
        "Dettes financières",
        BILAN,
        "obligations_convertibles + autres_obligations - sinon(primes_remboursement, 0) \
         + sinon(emprunts_etablissements_credit, dettes_etablissements_credit - sinon(concours_bancaires, 0)) \
         + dettes_financieres_diverses",
        FONCTIONNEL,
    ),
    measure(
        "emplois_stables",
        "Emplois stables",
        BILAN,
        "sinon(actif_immobilise_brut, actif_immobilise) + charges_a_repartir",
        FONCTIONNEL,
    ),
    measure(
        "ressources_stables",
        "Ressources stables",
        BILAN,
        "capitaux_propres - capital_non_appele + autres_fonds_propres + provisions \
         + sinon(actif_immobilise_depreciation, 0) + sinon(actif_circulant_depreciation, 0) + dettes_financieres",
        FONCTIONNEL,
    ),
    measure("frng", "Fonds de roulement net global", BILAN, "ressources_stables - emplois_stables", FONCTIONNEL),
    measure(
        "bfr_exploitation",
        "Besoin en fonds de roulement d’exploitation",
        BILAN,
        "sinon(stocks_brut, stocks) + sinon(avances_commandes_brut, avances_commandes) + sinon(clients_brut, clients) \
         + sinon(charges_constatees_avance_brut, charges_constatees_avance) - avances_recues - fournisseurs \
         - dettes_fiscales_sociales - produits_constates_avance",
        "Bilan fonctionnel. Les dettes fiscales et sociales sont toutes d’exploitation, les autres créances et les \
         autres dettes ne le sont pas\u{a0}: le bilan n’en dit pas plus",
    ),
    measure(
        "bfr_hors_exploitation",
        "Besoin en fonds de roulement hors exploitation",
        BILAN,
        "sinon(autres_creances_brut, autres_creances) + sinon(capital_appele_non_verse_brut, capital_appele_non_verse) \
         + ecarts_conversion_actif - dettes_immobilisations - instruments_financiers - autres_dettes \
         - ecarts_conversion_passif",
        "Bilan fonctionnel. Les dettes fiscales et sociales sont toutes d’exploitation, les autres créances et les \
         autres dettes ne le sont pas\u{a0}: le bilan n’en dit pas plus",
    ),
    measure("bfr", "Besoin en fonds de roulement", BILAN, "bfr_exploitation + bfr_hors_exploitation", FONCTIONNEL),
    measure(
        "tresorerie_nette",
        "Trésorerie nette",
        BILAN,
        "sinon(valeurs_mobilieres_brut, valeurs_mobilieres) + sinon(disponibilites_brut, disponibilites) \
         - sinon(concours_bancaires, 0)",
        FONCTIONNEL,
    ),
    measure("fr_moins_bfr", "Fonds de roulement moins besoin en fonds de roulement", BILAN, "frng - bfr", FONCTIONNEL),
    measure(
        "dette_nette",
        "Dette financière nette",
        BILAN,
        "dettes_financieres + sinon(concours_bancaires, 0) - valeurs_mobilieres - disponibilites",
        "Dettes financières et concours bancaires, moins valeurs mobilières de placement et disponibilités",
    ),
    measure(
        "capitaux_employes",
        "Capitaux employés",
        BILAN,
        "actif_immobilise + stocks + avances_commandes + clients + autres_creances + charges_constatees_avance \
         - avances_recues - fournisseurs - dettes_fiscales_sociales - dettes_immobilisations - instruments_financiers \
         - autres_dettes - produits_constates_avance",
        "Actif immobilisé net et besoin en fonds de roulement, en valeurs nettes",
    ),
    measure(
        "taux_marge_commerciale",
        "Taux de marge commerciale",
        (Rentabilite, Percent),
        "100 * marge_commerciale / ventes_marchandises",
        "Marge commerciale sur ventes de marchandises (taux de marque)",
    ),
    measure(
        "taux_valeur_ajoutee",
        "Taux de valeur ajoutée",
        (Rentabilite, Percent),
        "100 * valeur_ajoutee / chiffre_affaires",
        "Valeur ajoutée sur chiffre d’affaires",
    ),
    measure(
        "taux_marge_brute_exploitation",
        "Taux de marge brute d’exploitation",
        (Rentabilite, Percent),
        "100 * ebe / chiffre_affaires",
        "EBE sur chiffre d’affaires",
    ),
    measure(
        "ebitda",
        "EBITDA",
        (Rentabilite, Currency),
        "resultat_exploitation + dotations_exploitation - reprises_calculees",
        "Résultat d’exploitation avant dotations nettes de reprises. L’EBITDA n’est pas défini par le Plan comptable \
         général\u{a0}; il diffère de l’EBE par les autres produits et charges de gestion",
    ),
    measure(
        "marge_ebitda",
        "Marge d’EBITDA",
        (Rentabilite, Percent),
        "100 * ebitda / chiffre_affaires",
        "EBITDA sur chiffre d’affaires",
    ),
    measure(
        "marge_exploitation",
        "Marge d’exploitation",
        (Rentabilite, Percent),
        "100 * resultat_exploitation / chiffre_affaires",
        "Résultat d’exploitation sur chiffre d’affaires",
    ),
    measure(
        "marge_nette",
        "Marge nette",
        (Rentabilite, Percent),
        "100 * resultat_net / chiffre_affaires",
        "Résultat net sur chiffre d’affaires",
    ),
    measure(
        "part_personnel",
        "Part du personnel dans la valeur ajoutée",
        (Rentabilite, Percent),
        "100 * (salaires + charges_sociales) / valeur_ajoutee",
        "Charges de personnel sur valeur ajoutée",
    ),
    measure(
        "roe",
        "Rentabilité financière (ROE)",
        (Rentabilite, Percent),
        "100 * resultat_net / capitaux_propres",
        "Résultat net sur capitaux propres à la clôture\u{a0}; d’autres prennent leur moyenne sur l’exercice",
    ),
    measure(
        "roce",
        "Rentabilité économique (ROCE)",
        (Rentabilite, Percent),
        "100 * resultat_exploitation / capitaux_employes",
        "Résultat d’exploitation avant impôt sur capitaux employés à la clôture\u{a0}; d’autres prennent le résultat \
         après impôt",
    ),
    measure(
        "croissance",
        "Croissance du chiffre d’affaires",
        (Rentabilite, Percent),
        "100 * (chiffre_affaires - avant(chiffre_affaires)) / avant(chiffre_affaires)",
        "Variation du chiffre d’affaires sur celui de l’exercice précédent, sans égard à la durée des exercices",
    ),
    measure(
        "autonomie_financiere",
        "Autonomie financière",
        (Structure, Percent),
        "100 * capitaux_propres / total_passif",
        "Capitaux propres sur total du bilan",
    ),
    measure(
        "gearing",
        "Gearing (DN / FP)",
        (Structure, Percent),
        "100 * dette_nette / capitaux_propres",
        "Dette financière nette sur capitaux propres. Définition concurrente\u{a0}: DN / (DN + FP)",
    ),
    measure(
        "gearing_total",
        "Gearing (DN / (DN + FP))",
        (Structure, Percent),
        "100 * dette_nette / (dette_nette + capitaux_propres)",
        "Dette financière nette sur la somme de cette dette et des capitaux propres. Définition concurrente\u{a0}: \
         DN / FP",
    ),
    measure(
        "levier",
        "Levier (dette nette / EBITDA)",
        (Structure, Times),
        "dette_nette / ebitda",
        "Dette financière nette sur EBITDA",
    ),
    measure(
        "capacite_remboursement",
        "Capacité de remboursement (dettes financières / CAF)",
        (Structure, Times),
        "dettes_financieres / caf",
        "Années de CAF qu’il faudrait pour rembourser les dettes financières",
    ),
    measure(
        "couverture_interets",
        "Couverture des intérêts",
        (Structure, Times),
        "ebe / interets",
        "EBE sur intérêts et charges assimilées\u{a0}; d’autres prennent le résultat d’exploitation",
    ),
    measure(
        "service_dette",
        "Service de la dette",
        (Structure, Currency),
        "remboursements_emprunts + interets",
        "Remboursements d’emprunts de l’exercice et intérêts",
    ),
    measure(
        "dscr",
        "Couverture du service de la dette (DSCR)",
        (Structure, Times),
        "(caf + interets) / service_dette",
        "CAF avant intérêts sur service de la dette\u{a0}; d’autres prennent l’EBITDA ou l’EBE",
    ),
    measure(
        "liquidite_generale",
        "Liquidité générale",
        (Structure, Times),
        "actif_circulant / (dettes - dettes_financieres)",
        "Actif circulant sur dettes autres que financières, concours bancaires compris parmi elles\u{a0}; la part à \
         moins d’un an des emprunts n’est pas connue du bilan",
    ),
    measure(
        "dso",
        "Délai de règlement des clients (DSO)",
        (Rotation, Days),
        "jours * sinon(clients_brut, clients) / chiffre_affaires",
        "Créances clients (TVA comprise) sur chiffre d’affaires hors taxes, en jours de l’exercice\u{a0}; rapporté au \
         chiffre d’affaires TTC, le délai est plus court",
    ),
    measure(
        "dpo",
        "Délai de règlement des fournisseurs (DPO)",
        (Rotation, Days),
        "jours * fournisseurs / (achats_marchandises + achats_matieres + autres_achats_charges_externes)",
        "Dettes fournisseurs (TVA comprise) sur achats et charges externes hors taxes, en jours de l’exercice",
    ),
    measure(
        "dio",
        "Rotation des stocks (DIO)",
        (Rotation, Days),
        "jours * sinon(stocks_brut, stocks) \
         / (achats_marchandises + variation_stocks_marchandises + achats_matieres + variation_stocks_matieres)",
        "Stocks sur achats consommés, en jours de l’exercice\u{a0}; d’autres prennent le coût des ventes",
    ),
    measure(
        "bfr_jours",
        "BFR en jours de chiffre d’affaires",
        (Rotation, Days),
        "jours * bfr / chiffre_affaires",
        "Besoin en fonds de roulement sur chiffre d’affaires hors taxes, en jours de l’exercice",
    ),
];
