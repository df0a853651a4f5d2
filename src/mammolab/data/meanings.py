"""What each column of a hospital's exports means, with its unit."""

HEADER_MEANINGS = {
    "extract_date": "day the export was made, YYYY-MM-DD",
    "registry_complete_through": "last day whose cancers the registry holds in full, YYYY-MM-DD",
    "synthetic": "true or false; false for real women",
    "source": "where it comes from, in words",
}

# table -> column -> (unit, meaning); "" is text, a flag or a category
MEANINGS: dict[str, dict[str, tuple[str, str]]] = {
    "ehr/patients.csv": {
        "patient_id": ("", "one row a woman"),
        "birth_year": ("year", "year of birth"),
        "race_ethnicity": ("", "white, black, asian, hispanic, other"),
        "family_history_n": ("relatives", "first-degree relatives with breast cancer"),
        "menarche_age_years": ("years", "age at the first period"),
        "menopausal_status": ("", "pre or post, at her first exam"),
        "n_births": ("births", "live births"),
        "age_first_birth_years": ("years", "age at the first birth; blank without one"),
        "n_biopsies": ("biopsies", "earlier benign biopsies, as the record has them"),
        "atypia": ("0/1", "atypical hyperplasia in one of them"),
        "bmi": ("kg/m2", "body-mass index"),
        "brca": ("0/1", "carrier of a BRCA1/2 variant; blank if never tested"),
        "death_date": ("date", "day of death, any cause; blank if alive at the extract"),
        "last_contact_date": ("date", "last day the hospital knew her alive, or her death"),
    },
    "ehr/exams.csv": {
        "exam_id": ("", "one row an exam; AccessionNumber of its images"),
        "patient_id": ("", "the woman"),
        "exam_date": ("date", "day of the exam"),
        "age_years": ("years", "her age on that day, rounded down to a tenth"),
        "site": ("", "hospital"),
        "device": ("", "mammography machine"),
        "density": ("", "BI-RADS breast density a-d, as the radiologist called it"),
        "birads": ("0-6", "BI-RADS assessment"),
        "reader_id": ("", "radiologist"),
        "recall": ("0/1", "called back for more tests"),
        "biopsy": ("0/1", "biopsy advised"),
        "indication": ("", "screening or diagnostic"),
        "implant": ("0/1", "breast implants"),
        "sampling_weight": (
            "1",
            "1 / probability that its images were pulled; blank without images",
        ),
    },
    "registry/cancers.csv": {
        "registry_id": ("", "one row a cancer known to the registry"),
        "patient_id": ("", "the woman it was linked to; blank if none was found"),
        "diagnosis_date": ("date", "day of diagnosis"),
        "reported_date": ("date", "day the case reached the registry"),
        "laterality": ("", "L or R"),
        "behaviour": ("", "invasive or in_situ"),
        "size_mm": ("mm", "largest diameter as written down"),
    },
    "pathology/reports.csv": {
        "report_id": ("", "one row a specimen examined in the hospital"),
        "patient_id": ("", "the woman"),
        "specimen_date": ("date", "day of the biopsy"),
        "laterality": ("", "L or R"),
        "result": ("", "benign, in_situ or invasive"),
        "size_mm": ("mm", "largest diameter as written down; blank if benign"),
    },
}
