//! The bilan's passif: form 2051.

use super::Group::Passif;
use super::{Item, detail, line, total};

pub(super) static ITEMS: &[Item] = &[
    line("capital", "Capital social ou individuel", Passif, "DA", "10 101 102 103 108"),
    line("primes_emission", "Primes d’émission, de fusion, d’apport", Passif, "DB", "104"),
    line("ecarts_reevaluation", "Écarts de réévaluation", Passif, "DC", "105 107"),
    line("reserve_legale", "Réserve légale", Passif, "DD", "1061"),
    line("reserves_statutaires", "Réserves statutaires ou contractuelles", Passif, "DE", "1063"),
    line("reserves_reglementees", "Réserves réglementées", Passif, "DF", "1062 1064"),
    line("autres_reserves", "Autres réserves", Passif, "DG", "106 1068"),
    line("report_a_nouveau", "Report à nouveau", Passif, "DH", "11"),
    detail("resultat_en_instance", "Résultat en instance d’affectation", Passif, "12"),
    total("resultat_exercice", "Résultat de l’exercice", Passif, "DI", "resultat_net + resultat_en_instance"),
    line("subventions_investissement", "Subventions d’investissement", Passif, "DJ", "13"),
    line("provisions_reglementees", "Provisions réglementées", Passif, "DK", "14"),
    total(
        "capitaux_propres",
        "Capitaux propres",
        Passif,
        "DL",
        "capital + primes_emission + ecarts_reevaluation + reserve_legale + reserves_statutaires \
         + reserves_reglementees + autres_reserves + report_a_nouveau + resultat_exercice \
         + subventions_investissement + provisions_reglementees",
    ),
    line("titres_participatifs", "Produit des émissions de titres participatifs", Passif, "DM", "1671"),
    line("avances_conditionnees", "Avances conditionnées", Passif, "DN", "1673 1674"),
    detail("droits_concedant", "Droits du concédant", Passif, "229"),
    total(
        "autres_fonds_propres",
        "Autres fonds propres",
        Passif,
        "DO",
        "titres_participatifs + avances_conditionnees + droits_concedant",
    ),
    line("provisions_risques", "Provisions pour risques", Passif, "DP", "151"),
    line("provisions_charges", "Provisions pour charges", Passif, "DQ", "15 152 153 154 155 156 157 158 19"),
    total("provisions", "Provisions pour risques et charges", Passif, "DR", "provisions_risques + provisions_charges"),
    line("obligations_convertibles", "Emprunts obligataires convertibles", Passif, "DS", "161 16881"),
    line("autres_obligations", "Autres emprunts obligataires", Passif, "DT", "163 16883"),
    detail("emprunts_etablissements_credit", "Emprunts auprès des établissements de crédit", Passif, "164 16884"),
    // The forms have it beside the total, as a part of it.
    Item {
        code: Some("EH"),
        ..detail(
            "concours_bancaires",
            "Concours bancaires courants et soldes créditeurs de banques",
            Passif,
            "5C 51C 58C",
        )
    },
    total(
        "dettes_etablissements_credit",
        "Emprunts et dettes auprès des établissements de crédit",
        Passif,
        "DU",
        "emprunts_etablissements_credit + concours_bancaires",
    ),
    line(
        "dettes_financieres_diverses",
        "Emprunts et dettes financières divers",
        Passif,
        "DV",
        "16 162 165 166 167 168 17 426C 45C",
    ),
    line("instruments_financiers", "Instruments financiers à terme", Passif, "D1", "52C"),
    line("avances_recues", "Avances et acomptes reçus sur commandes en cours", Passif, "DW", "4191C"),
    line("fournisseurs", "Dettes fournisseurs et comptes rattachés", Passif, "DX", "40C 4091C"),
    line("dettes_fiscales_sociales", "Dettes fiscales et sociales", Passif, "DY", "42C 43C 44C"),
    line(
        "dettes_immobilisations",
        "Dettes sur immobilisations et comptes rattachés",
        Passif,
        "DZ",
        "404C 405C 4084C 269 279",
    ),
    line("autres_dettes", "Autres dettes", Passif, "EA", "18C 41C 456C 457C 458C 46C 47C 48C 509"),
    line("produits_constates_avance", "Produits constatés d’avance", Passif, "EB", "487 489C 4887"),
    total(
        "dettes",
        "Dettes",
        Passif,
        "EC",
        "obligations_convertibles + autres_obligations + dettes_etablissements_credit + dettes_financieres_diverses \
         + instruments_financiers + avances_recues + fournisseurs + dettes_fiscales_sociales + dettes_immobilisations + autres_dettes \
         + produits_constates_avance",
    ),
    line("ecarts_conversion_passif", "Écarts de conversion passif", Passif, "ED", "477 4747 4787"),
    total(
        "total_passif",
        "Total du passif",
        Passif,
        "EE",
        "capitaux_propres + autres_fonds_propres + provisions + dettes + ecarts_conversion_passif",
    ),
    detail("remboursements_emprunts", "Remboursements d’emprunts de l’exercice", Passif, ""),
];
