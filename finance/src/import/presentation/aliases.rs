//! What companies and their accountants call the items of [`crate::items`], beside their own names.

/// Several items in one row.
#[derive(Debug)]
pub(super) struct Compound {
    pub(super) labels: &'static [&'static str],
    /// What it is a total of where the table has any of them.
    pub(super) parts: &'static [&'static str],
    /// The item that it counts as where the table has none of them; the one in which the Plan comptable général would
    /// have an account that says no more.
    pub(super) otherwise: Option<&'static str>,
}

/// The totals whose parts stand together in a table.
pub(super) const SECTIONS: &[&str] = &[
    "immobilisations_incorporelles",
    "immobilisations_corporelles",
    "immobilisations_financieres",
    "actif_immobilise",
    "stocks",
    "creances",
    "actif_circulant",
    "total_actif",
    "capitaux_propres",
    "autres_fonds_propres",
    "provisions",
    "dettes_etablissements_credit",
    "dettes",
    "total_passif",
    "produits_exploitation",
    "charges_exploitation",
    "produits_financiers",
    "charges_financieres",
    "produits_exceptionnels",
    "charges_exceptionnelles",
    "total_produits",
    "total_charges",
    "resultat_net",
];

/// Items that no table calls by their names: another has the same.
pub(super) const NO_NAMES: &[&str] = &[
    "subventions_exploitation",
    "quote_part_subventions_exploitation",
    "resultat_exploitation",
    "resultat_net_sig",
    "consommations",
    "reprises_calculees",
    "charges_calculees",
    "produits_calcules",
    "caf",
    "caf_soustractive",
    "dettes_financieres",
    "emplois_stables",
    "ressources_stables",
    "frng",
    "bfr_exploitation",
    "bfr_hors_exploitation",
    "bfr",
    "tresorerie_nette",
    "fr_moins_bfr",
    "dette_nette",
    "capitaux_employes",
    "ebitda",
    "service_dette",
];

pub(super) const ALIASES: &[(&str, &[&str])] = &[
    ("capital_non_appele", &["Actionnaires, capital souscrit non appelé", "Capital non appelé"]),
    ("frais_developpement", &["Frais de recherche et de développement"]),
    (
        "concessions_brevets",
        &[
            "Concessions, brevets, licences, marques, procédés, logiciels, droits et valeurs similaires",
            "Concessions, brevets, licences, logiciels, droits et valeurs similaires",
            "Concessions, brevets, marques et droits similaires",
            "Concessions, brevets et droits assimilés",
            "Concessions, brevets, licences",
            "Concessions et brevets",
            "Brevets et licences",
            "Logiciels",
        ],
    ),
    ("fonds_commercial", &["Fonds de commerce", "Droit au bail", "Fonds commercial et droit au bail"]),
    ("autres_immobilisations_incorporelles", &["Autres", "Autres incorporelles"]),
    (
        "avances_immobilisations_incorporelles",
        &[
            "Avances et acomptes sur immobilisations incorporelles",
            "Immobilisations incorporelles en cours",
            "Avances et acomptes",
        ],
    ),
    ("constructions", &["Bâtiments"]),
    (
        "installations_techniques",
        &["Installations techniques, matériel et outillage", "Installations techniques", "Matériel et outillage"],
    ),
    ("autres_immobilisations_corporelles", &["Autres", "Autres corporelles"]),
    (
        "immobilisations_en_cours",
        &["Immobilisations en cours", "Immobilisations corporelles en cours, avances et acomptes"],
    ),
    ("avances_immobilisations", &["Avances et acomptes", "Avances et acomptes sur immobilisations"]),
    (
        "participations",
        &[
            "Autres participations",
            "Titres de participation",
            "Participations évaluées selon la méthode de mise en équivalence",
            "Participations évaluées par mise en équivalence",
        ],
    ),
    ("creances_participations", &["Créances rattachées aux participations"]),
    (
        "autres_immobilisations_financieres",
        &["Autres", "Autres financières", "Dépôts et cautionnements", "Dépôts et cautionnements versés"],
    ),
    (
        "actif_immobilise",
        &["Immobilisations", "Immobilisations nettes", "Valeurs immobilisées", "Actif immobilisé net"],
    ),
    (
        "matieres_premieres",
        &[
            "Matières premières",
            "Matières premières et autres approvisionnements",
            "Approvisionnements",
            "Stocks de matières premières",
        ],
    ),
    ("en_cours_biens", &["Encours de production de biens", "Biens"]),
    ("en_cours_services", &["Encours de production de services", "Services"]),
    ("produits_finis", &["Produits finis", "Stocks de produits finis"]),
    ("marchandises", &["Stocks de marchandises"]),
    ("stocks", &["Stocks", "Stocks et encours", "Stocks et travaux en cours"]),
    ("avances_commandes", &["Avances et acomptes versés", "Avances et acomptes"]),
    ("clients", &["Clients", "Créances clients", "Créances clients et comptes rattachés", "Créances commerciales"]),
    ("autres_creances", &["Autres", "Créances diverses", "Débiteurs divers"]),
    ("capital_appele_non_verse", &["Capital souscrit appelé non versé", "Capital appelé non versé"]),
    ("valeurs_mobilieres", &["Valeurs mobilières", "Placements", "VMP"]),
    ("disponibilites", &["Trésorerie", "Liquidités", "Banques", "Banque et caisse", "Trésorerie active"]),
    ("charges_constatees_avance", &["Comptes de régularisation", "Comptes de régularisation actif"]),
    (
        "charges_a_repartir",
        &[
            "Charges à répartir sur plusieurs exercices",
            "Charges à répartir",
            "Frais d’émission d’emprunts à étaler",
            "Frais d’émission d’emprunt",
        ],
    ),
    (
        "primes_remboursement",
        &["Primes de remboursement des obligations", "Primes de remboursement des emprunts obligataires"],
    ),
    ("ecarts_conversion_actif", &["Écarts de conversion", "Écarts de conversion actif et différences d’évaluation"]),
    ("total_actif", &["Actif", "Bilan actif", "Actif total", "Total général", "Total général actif", "Total du bilan"]),
    ("capital", &["Capital", "Capital social", "Capital individuel", "Compte de l’exploitant"]),
    ("primes_emission", &["Primes d’émission", "Primes d’émission et de fusion", "Primes liées au capital social"]),
    ("reserves_statutaires", &["Réserves statutaires"]),
    ("autres_reserves", &["Autres", "Réserves facultatives"]),
    (
        "resultat_exercice",
        &[
            "Résultat",
            "Résultat net",
            "Résultat net de l’exercice",
            "Bénéfice",
            "Bénéfice ou perte",
            "Bénéfice ou perte de l’exercice",
            "Résultat de l’exercice (bénéfice ou perte)",
        ],
    ),
    ("capitaux_propres", &["Fonds propres"]),
    ("provisions", &["Provisions"]),
    (
        "dettes_etablissements_credit",
        &[
            "Dettes auprès des établissements de crédit",
            "Emprunts bancaires",
            "Dettes bancaires",
            "Emprunts et dettes bancaires",
        ],
    ),
    ("emprunts_etablissements_credit", &["Emprunts"]),
    (
        "concours_bancaires",
        &[
            "Concours bancaires",
            "Concours bancaires courants",
            "dont concours bancaires courants",
            "Découverts bancaires",
            "Découverts, concours bancaires",
            "Découverts et concours bancaires",
        ],
    ),
    ("dettes_financieres_diverses", &["Emprunts et dettes financières diverses", "Autres dettes financières"]),
    (
        "avances_recues",
        &["Avances et acomptes reçus", "Avances et acomptes reçus sur commandes", "Avances et acomptes"],
    ),
    (
        "fournisseurs",
        &["Fournisseurs", "Dettes fournisseurs", "Fournisseurs et comptes rattachés", "Dettes commerciales"],
    ),
    ("dettes_fiscales_sociales", &["Dettes sociales et fiscales"]),
    ("dettes_immobilisations", &["Dettes sur immobilisations", "Fournisseurs d’immobilisations"]),
    ("autres_dettes", &["Autres"]),
    ("produits_constates_avance", &["Comptes de régularisation", "Comptes de régularisation passif"]),
    ("dettes", &["Emprunts et dettes"]),
    ("ecarts_conversion_passif", &["Écarts de conversion", "Écarts de conversion passif et différences d’évaluation"]),
    (
        "total_passif",
        &[
            "Passif",
            "Bilan passif",
            "Total général",
            "Total général passif",
            "Total du bilan",
            "Capitaux propres et passif",
        ],
    ),
    ("ventes_marchandises", &["Marchandises"]),
    ("production_vendue_biens", &["Biens", "Ventes de produits finis", "Ventes de produits"]),
    ("production_vendue_services", &["Services", "Prestations de services", "Ventes de services"]),
    (
        "chiffre_affaires",
        &[
            "Chiffre d’affaires",
            "Chiffre d’affaires hors taxes",
            "Montant net du chiffre d’affaires",
            "Montant du chiffre d’affaires",
            "CA",
            "CA net",
        ],
    ),
    ("subventions", &["Subventions d’exploitation", "Subventions d’exploitation reçues"]),
    ("reprises_exploitation", REPRISES),
    ("transferts_charges", &["Transferts de charges", "dont transferts de charges"]),
    ("reprises_et_transferts", REPRISES_ET_TRANSFERTS),
    ("autres_produits", &["Autres", "Autres produits"]),
    ("achats_marchandises", &["Marchandises", "Achats marchandises"]),
    ("variation_stocks_marchandises", &["Variation de stocks", "Variation des stocks (marchandises)"]),
    (
        "achats_matieres",
        &[
            "Matières premières",
            "Achats de matières premières",
            "Achats de matières et autres approvisionnements",
            "Achats de matières premières et approvisionnements",
            "Achats d’approvisionnements",
        ],
    ),
    (
        "variation_stocks_matieres",
        &[
            "Variation de stocks",
            "Variation de stocks (matières premières et autres approvisionnements)",
            "Variation de stocks (matières premières)",
            "Variation de stocks (approvisionnements)",
            "Variation de stocks (matières et approvisionnements)",
        ],
    ),
    ("autres_achats_charges_externes", &["Charges externes", "Autres charges externes", "Achats et charges externes"]),
    ("impots_taxes", &["Impôts et taxes", "Impôts, taxes et assimilés"]),
    (
        "salaires",
        &[
            "Salaires",
            "Salaires bruts",
            "Salaires et appointements",
            "Rémunérations du personnel",
            "Traitements et salaires",
        ],
    ),
    ("charges_sociales", &["Cotisations sociales", "Charges sociales et cotisations"]),
    (
        "dotations_amortissements",
        &[
            "Dotations aux amortissements",
            "Sur immobilisations\u{a0}: dotations aux amortissements",
            "Dotations aux amortissements des immobilisations",
        ],
    ),
    (
        "dotations_depreciations_immobilisations",
        &[
            "Sur immobilisations\u{a0}: dotations aux dépréciations",
            "Sur immobilisations\u{a0}: dotations aux provisions",
            "Dotations aux provisions sur immobilisations",
        ],
    ),
    (
        "dotations_depreciations_actif_circulant",
        &[
            "Sur actif circulant\u{a0}: dotations aux dépréciations",
            "Sur actif circulant\u{a0}: dotations aux provisions",
            "Dotations aux provisions sur actif circulant",
        ],
    ),
    (
        "dotations_provisions",
        &[
            "Provisions",
            "Pour risques et charges\u{a0}: dotations aux provisions",
            "Dotations aux provisions pour risques et charges",
        ],
    ),
    ("dotations_exploitation", DOTATIONS),
    ("autres_charges", &["Autres", "Autres charges"]),
    ("resultat_exploitation_compte", &["Résultat d’exploitation"]),
    ("charges_exploitation", &["Exploitation"]),
    ("produits_exploitation", &["Exploitation"]),
    ("benefice_attribue", &["Bénéfice attribué"]),
    ("perte_supportee", &["Perte supportée"]),
    ("produits_participations", &["Participations", "Produits des participations", "Produits de participations"]),
    (
        "produits_creances_immobilisees",
        &[
            "Produits des autres valeurs mobilières et créances d’actif immobilisé",
            "D’autres valeurs mobilières et créances de l’actif immobilisé",
            "D’autres valeurs mobilières et créances d’actif immobilisé",
            "Autres valeurs mobilières et créances de l’actif immobilisé",
        ],
    ),
    ("autres_interets_produits", &["Intérêts et produits assimilés", "Autres produits financiers", "Autres"]),
    ("reprises_financieres", REPRISES),
    ("transferts_charges_financieres", &["Transferts de charges"]),
    ("reprises_et_transferts_financiers", REPRISES_ET_TRANSFERTS),
    ("gains_change", &["Gains de change"]),
    ("dotations_financieres", &["Dotations aux amortissements", "Dotations aux provisions"]),
    ("dotations_financieres", DOTATIONS),
    ("interets", &["Intérêts", "Charges d’intérêts", "Intérêts et charges financières"]),
    ("pertes_change", &["Pertes de change"]),
    ("produits_financiers", &["Financiers"]),
    ("charges_financieres", &["Financières"]),
    ("rcai", &["Résultat courant", "Résultat courant avant impôt", "RCAI"]),
    ("produits_exceptionnels_gestion", &["Sur opérations de gestion", "Opérations de gestion"]),
    ("charges_exceptionnelles_gestion", &["Sur opérations de gestion", "Opérations de gestion"]),
    ("produits_exceptionnels_capital", &["Sur opérations en capital", "Opérations en capital"]),
    ("charges_exceptionnelles_capital", &["Sur opérations en capital", "Opérations en capital"]),
    ("reprises_exceptionnelles", REPRISES),
    ("transferts_charges_exceptionnelles", &["Transferts de charges"]),
    ("reprises_et_transferts_exceptionnels", REPRISES_ET_TRANSFERTS),
    ("dotations_exceptionnelles", &["Dotations aux amortissements", "Dotations aux provisions"]),
    ("dotations_exceptionnelles", DOTATIONS),
    ("produits_exceptionnels", &["Exceptionnels"]),
    ("charges_exceptionnelles", &["Exceptionnelles"]),
    (
        "participation_salaries",
        &["Participation des salariés", "Participation des salariés aux résultats de l’entreprise"],
    ),
    ("impot_benefices", &["Impôt sur les sociétés", "Impôts sur les sociétés", "IS"]),
    ("total_produits", &["Produits"]),
    ("total_charges", &["Charges"]),
    (
        "resultat_net",
        &[
            "Compte de résultat",
            "Résultat",
            "Résultat net",
            "Résultat net comptable",
            "Résultat net de l’exercice",
            "Résultat de l’exercice",
            "Résultat de l’exercice (bénéfice ou perte)",
            "Bénéfice",
            "Bénéfice ou perte de l’exercice",
        ],
    ),
    ("ebe", &["EBE"]),
];

const REPRISES: &[&str] = &[
    "Reprises",
    "Reprises sur provisions",
    "Reprises sur amortissements et provisions",
    "Reprises sur dépréciations et provisions",
    "Reprises sur amortissements, dépréciations et provisions",
];

const REPRISES_ET_TRANSFERTS: &[&str] = &[
    "Reprises et transferts de charges",
    "Reprises sur provisions et transferts de charges",
    "Reprises sur provisions (et amortissements), transferts de charges",
    "Reprises sur amortissements et provisions, transferts de charges",
    "Reprises sur dépréciations, provisions et transferts de charges",
    "Reprises sur dépréciations et provisions, transferts de charges",
    "Reprises sur amortissements, dépréciations et provisions, transferts de charges",
];

const DOTATIONS: &[&str] = &[
    "Dotations",
    "Dotations aux amortissements et provisions",
    "Dotations aux amortissements et aux provisions",
    "Dotations aux amortissements et dépréciations",
    "Dotations aux dépréciations et provisions",
    "Dotations aux amortissements, dépréciations et provisions",
    "Dotations aux amortissements, aux dépréciations et aux provisions",
];

/// Rows that make an item together, where it is given in several.
pub(super) const PARTS: &[(&str, &[&str])] = &[
    (
        "autres_immobilisations_corporelles",
        &[
            "Installations générales, agencements, aménagements divers",
            "Agencements et installations",
            "Matériel de transport",
            "Matériel de bureau et informatique",
            "Matériel de bureau",
            "Matériel informatique",
            "Mobilier",
        ],
    ),
    ("autres_creances", THIRD_PARTIES),
    ("autres_creances", &["Fournisseurs débiteurs"]),
    ("dettes_fiscales_sociales", THIRD_PARTIES),
    ("dettes_fiscales_sociales", &["Dettes fiscales", "Dettes sociales", "État, obligations cautionnées"]),
    (
        "dettes_financieres_diverses",
        &["Associés", "Comptes courants d’associés", "Groupe et associés", "Comptes courants", "Divers"],
    ),
    (
        "autres_achats_charges_externes",
        &[
            "Services extérieurs",
            "Autres services extérieurs",
            "Sous-traitance",
            "Achats non stockés",
            "Achats non stockés de matières et fournitures",
            "Achats d’études et de prestations de services",
        ],
    ),
];

const THIRD_PARTIES: &[&str] = &[
    "Personnel",
    "Personnel et comptes rattachés",
    "Organismes sociaux",
    "Sécurité sociale et autres organismes sociaux",
    "État, impôts sur les bénéfices",
    "État, taxes sur le chiffre d’affaires",
    "Taxe sur la valeur ajoutée",
    "TVA",
    "Autres impôts, taxes et assimilés",
];

pub(super) const COMPOUNDS: &[Compound] = &[
    Compound {
        labels: &["Participations et créances rattachées"],
        parts: &["participations", "creances_participations"],
        otherwise: Some("participations"),
    },
    Compound {
        labels: &["Matières premières, approvisionnements, en cours de production"],
        parts: &["matieres_premieres", "en_cours_biens", "en_cours_services", "produits_finis"],
        otherwise: Some("matieres_premieres"),
    },
    Compound {
        labels: &[
            "Disponibilités et valeurs mobilières de placement",
            "Trésorerie et placements",
            "Disponibilités et VMP",
        ],
        parts: &["valeurs_mobilieres", "disponibilites"],
        otherwise: Some("disponibilites"),
    },
    Compound {
        labels: &["Réserves"],
        parts: &["reserve_legale", "reserves_statutaires", "reserves_reglementees", "autres_reserves"],
        otherwise: Some("autres_reserves"),
    },
    Compound {
        labels: &["Situation nette"],
        parts: &[
            "capital",
            "primes_emission",
            "ecarts_reevaluation",
            "reserve_legale",
            "reserves_statutaires",
            "reserves_reglementees",
            "autres_reserves",
            "report_a_nouveau",
            "resultat_exercice",
        ],
        otherwise: None,
    },
    Compound {
        labels: &["Emprunts obligataires"],
        parts: &["obligations_convertibles", "autres_obligations"],
        otherwise: Some("autres_obligations"),
    },
    Compound {
        labels: &["Dettes financières", "Emprunts et dettes financières", "Emprunts et dettes assimilées"],
        parts: &[
            "obligations_convertibles",
            "autres_obligations",
            "dettes_etablissements_credit",
            "dettes_financieres_diverses",
        ],
        otherwise: Some("dettes_financieres_diverses"),
    },
    Compound {
        labels: &["Dettes d’exploitation"],
        parts: &["avances_recues", "fournisseurs", "dettes_fiscales_sociales"],
        otherwise: None,
    },
    Compound {
        labels: &["Dettes diverses"],
        parts: &["dettes_immobilisations", "autres_dettes"],
        otherwise: Some("autres_dettes"),
    },
    Compound {
        labels: &["Production vendue"],
        parts: &["production_vendue_biens", "production_vendue_services"],
        otherwise: Some("production_vendue_services"),
    },
    Compound {
        labels: &["Achats consommés", "Coût d’achat des marchandises et matières consommées"],
        parts: &[
            "achats_marchandises",
            "variation_stocks_marchandises",
            "achats_matieres",
            "variation_stocks_matieres",
        ],
        otherwise: Some("achats_matieres"),
    },
    Compound {
        labels: &["Charges de personnel", "Frais de personnel"],
        parts: &["salaires", "charges_sociales"],
        otherwise: Some("salaires"),
    },
    Compound {
        labels: &["Dotations aux dépréciations"],
        parts: &["dotations_depreciations_immobilisations", "dotations_depreciations_actif_circulant"],
        otherwise: Some("dotations_depreciations_actif_circulant"),
    },
];
