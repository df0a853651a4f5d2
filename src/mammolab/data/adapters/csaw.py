"""CSAW-CC (Karolinska): all cases and a sample of controls, one row an image, years for dates."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import (
    Adapter,
    Card,
    Source,
    files_below,
    mark_absent,
    table,
    table_with,
)
from mammolab.data.adapters.rules import require, require_constant
from mammolab.data.user_columns import check_columns, refuse, whole
from mammolab.errors import InputError
from mammolab.schemas import VIEWS

CARD = Card.read("csaw")
SIGNATURE = frozenset({"anon_patientid", "exam_year", "x_case", "rad_timing", "anon_filename"})
WOMAN = ("x_case", "x_cancer_laterality", "x_type", "x_lymphnode_met")
EXAM = ("x_age", "rad_timing", "rad_r1", "rad_r2", "rad_recall",
        "rad_recall_type_right", "rad_recall_type_left")  # fmt: skip
IMAGE = ("imagelaterality", "viewposition", "anon_filename")
LIBRA = ("libra_breastarea", "libra_densearea", "libra_percentdensity")
SIDES = {"Left": "L", "Right": "R"}
VALID = {
    "x_case": ("0", "1"),
    "x_cancer_laterality": ("", *SIDES),
    "x_type": ("", "1", "2", "3"),
    "x_lymphnode_met": ("", "0", "1"),
    "x_age": ("", "1", "2"),
    "rad_timing": ("", "1", "2", "3"),
    "rad_r1": ("", "0", "1"),
    "rad_r2": ("", "0", "1"),
    "rad_recall": ("", "0", "1"),
    "imagelaterality": tuple(SIDES),
    "viewposition": VIEWS,
}
BEHAVIOUR = {"1": "in_situ", "2": "invasive", "3": "invasive"}
AGES = {"1": "40-55", "2": "above 55"}
# Days from the exam to the diagnosis: least, most ("" unbounded).
DAYS = {"1": ("0", "59"), "2": ("60", "729"), "3": ("730", "")}
# Years from the exam's year to the diagnosis's: least, most.
YEARS = {"1": (0, 1), "2": (0, 2), "3": (1, None)}
NAME = r"(?P<woman>.+)_\d{8}_(?P<side>[LR])_(?P<view>CC|MLO)_(?P<number>\d+)\.dcm"
AGAIN = "a second image of this view"


def detect(root: Path) -> bool:
    """Whether the folder holds the table of this data set."""
    return table_with(root, SIGNATURE) is not None


def adapt(root: Path, prevalence: str = "") -> Source:
    """Read the table, hold it against what is known of it, and lay it out in our tables.

    Parameters
    ----------
    prevalence : share of women with cancer that the weights restore; "" for no weights.
    """
    raw = table_with(root, SIGNATURE)
    check_columns(raw, ("anon_patientid", "exam_year", *WOMAN, *EXAM, *IMAGE))
    given = raw.cells
    cells = given.assign(**{name: whole(given[name]) for name in (*VALID, "exam_year")})
    for column, valid in VALID.items():
        shown = ", ".join(one or "blank" for one in valid)
        refuse(raw, ~cells[column].isin(valid), column, "is not understood", shown)
    refuse(raw, ~cells["exam_year"].str.fullmatch(r"\d{4}"), "exam_year", "is no year", "2012")
    cells["exam_id"] = cells["anon_patientid"] + "_" + cells["exam_year"]
    check_facts(cells, raw.name)
    exams = cells.drop_duplicates("exam_id").set_index("exam_id", drop=False)
    women = exams.drop_duplicates("anon_patientid").set_index("anon_patientid", drop=False)
    weights, notes = weights_of(women["x_case"] == "1", prevalence)
    images, surplus = _images(root, cells)
    return Source(
        card=CARD,
        images_root=root,
        patients=table("patients", {"patient_id": women["anon_patientid"],
                                    "x_case_raw": women["x_case"]}),
        exams=table("exams", {
            "exam_id": exams["exam_id"], "patient_id": exams["anon_patientid"],
            "site": "Karolinska", "recall": exams["rad_recall"], "indication": "screening",
            "sampling_weight": exams["anon_patientid"].map(weights),
            "exam_year": exams["exam_year"], "age_band": exams["x_age"].map(AGES),
            **{f"{name}_raw": exams[name] for name in EXAM},
        }),
        registry=_registry(women[women["x_case"] == "1"], exams),
        labels=_labels(cells),
        images=images,
        notes=tuple(notes + surplus + _notes(exams)),
    )  # fmt: skip


def weights_of(case: pd.Series, prevalence: str) -> tuple[pd.Series, list[str]]:
    """Weights by woman that give cases a share of `prevalence`: 1 a case, the same a control.

    Parameters
    ----------
    case : bool by anon_patientid.
    prevalence : a number between 0 and 1 as text; "" for no weights.

    Raises
    ------
    InputError : it is no such number, or there are no cases or no controls to weight.
    """
    if not prevalence:
        return pd.Series("", index=case.index, dtype=object), []
    share = pd.to_numeric(prevalence, errors="coerce")
    if not 0 < share < 1:
        raise InputError(
            f"prevalence is {prevalence!r}; valid: the share of women with cancer among all, "
            "between 0 and 1."
        )
    n_cases, n_controls = int(case.sum()), int((~case).sum())
    if not n_cases or not n_controls:
        raise InputError(
            f"csaw: {n_cases} cases and {n_controls} controls; weights need both of them."
        )
    control = (1 - share) / share * n_cases / n_controls
    note = (
        f"A control weighs {control:.6g} and a case 1, so that {share:g} of women have cancer, the "
        f"prevalence that was given; shares of exams follow from how many each woman has."
    )
    return case.map({True: "1", False: repr(float(control))}), [note]


def check_facts(cells: pd.DataFrame, name: str) -> None:
    """Hold the table against what is true of the published one.

    Raises
    ------
    InputError : the first that does not hold.
    """
    woman = ("anon_patientid",)
    require_constant(cells, woman, WOMAN, name)
    require_constant(cells, ("exam_id",), EXAM, name)
    case, control = cells["x_case"] == "1", cells["x_case"] == "0"
    require(cells, ~case | (cells["x_cancer_laterality"] != ""), woman,
            f"{name}: a case without x_cancer_laterality")  # fmt: skip
    told = (cells[["x_cancer_laterality", "x_type", "rad_timing"]] != "").any(axis=1)
    require(cells, ~(control & told), woman,
            f"{name}: a control with x_cancer_laterality, x_type or rad_timing")  # fmt: skip
    exams = cells[case & (cells["rad_timing"] != "")].drop_duplicates("exam_id")
    exams = exams.sort_values(["anon_patientid", "exam_year"])
    later = exams.groupby("anon_patientid")["rad_timing"].shift()
    require(exams, later.isna() | (exams["rad_timing"] <= later), ("exam_id",),
            f"{name}: rad_timing is further from the diagnosis than at an earlier exam")  # fmt: skip
    parts = cells["anon_filename"].str.extract(f"^{NAME}$")
    told = (parts["side"] == cells["imagelaterality"].map(SIDES)) & (
        parts["view"] == cells["viewposition"]
    )
    require(cells, told & (parts["woman"] == cells["anon_patientid"]), ("anon_filename",),
            f"{name}: anon_filename tells another woman, side or view than its row")  # fmt: skip


def _registry(cases: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """A cancer a case, with the years its diagnosis may lie in, by her last exam that tells."""
    told = exams[exams["rad_timing"] != ""].sort_values("exam_year")
    last = told.drop_duplicates("anon_patientid", keep="last").set_index("anon_patientid")
    bounds = []
    for patient_id in cases["anon_patientid"]:
        years = ("", "")
        if patient_id in last.index:
            year = int(last.at[patient_id, "exam_year"])
            added = YEARS[last.at[patient_id, "rad_timing"]]
            years = tuple("" if one is None else str(year + one) for one in added)
        bounds.append(years)
    return table("registry", {
        "registry_id": cases["anon_patientid"], "patient_id": cases["anon_patientid"],
        "laterality": cases["x_cancer_laterality"].map(SIDES),
        "behaviour": cases["x_type"].map(BEHAVIOUR),
        "diagnosis_year_least": [low for low, _ in bounds],
        "diagnosis_year_most": [high for _, high in bounds],
        "x_type_raw": cases["x_type"], "x_lymphnode_met_raw": cases["x_lymphnode_met"],
    })  # fmt: skip


def _labels(cells: pd.DataFrame) -> pd.DataFrame:
    """A breast of an exam: 1 found at it, 0 no cancer of it within a year, blank not resolved."""
    breasts = cells.drop_duplicates(["exam_id", "imagelaterality"])
    timing = breasts["rad_timing"]
    ill = (breasts["x_case"] == "1") & (
        breasts["imagelaterality"] == breasts["x_cancer_laterality"]
    )
    cancer = timing.map({"1": "1", "2": "", "3": "0", "": ""}).where(ill, "0")
    invasive = breasts["x_type"].map({"1": "0", "2": "1", "3": "1"}).where(cancer == "1", "")
    recall_type = breasts["rad_recall_type_right"].where(
        breasts["imagelaterality"] == "Right", breasts["rad_recall_type_left"]
    )
    days = timing.where(ill, "").map(DAYS)
    return table("labels", {
        "exam_id": breasts["exam_id"], "laterality": breasts["imagelaterality"].map(SIDES),
        "cancer": cancer, "invasive": invasive,
        "kind": (cancer != "").map({True: "registry", False: ""}),
        "days_to_diagnosis_least": days.map(lambda both: both[0], na_action="ignore"),
        "days_to_diagnosis_most": days.map(lambda both: both[1], na_action="ignore"),
        "rad_timing_raw": timing, "rad_recall_type_raw": recall_type,
    })  # fmt: skip


def _images(root: Path, cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    present = files_below(root, ".", ".dcm")
    below = {path.rsplit("/", 1)[-1]: path for path in sorted(present, reverse=True)}
    # The date in the name is a constant; the number in it alone orders.
    number = cells["anon_filename"].str.extract(NAME)["number"].astype(int)
    order = cells.assign(number=number).sort_values("number", kind="stable")
    again = order.duplicated(["exam_id", "imagelaterality", "viewposition"]).reindex(cells.index)
    libra = {f"{name}_raw": cells[name] for name in LIBRA if name in cells}
    return mark_absent(table("images", {
        "image_id": cells["anon_filename"].str.removesuffix(".dcm"), "exam_id": cells["exam_id"],
        "patient_id": cells["anon_patientid"],
        "path": [below.get(name, name) for name in cells["anon_filename"]],
        "laterality": cells["imagelaterality"].map(SIDES), "view": cells["viewposition"],
        "use": again.map({True: "0", False: "1"}), "reason": again.map({True: AGAIN, False: ""}),
        "laterality_raw": cells["imagelaterality"], **libra,
    }), present)  # fmt: skip


def _notes(exams: pd.DataFrame) -> list[str]:
    n_recall = int((exams["rad_recall"] == "").sum())
    n_timing = int(((exams["x_case"] == "1") & (exams["rad_timing"] == "")).sum())
    last = exams.sort_values("exam_year").duplicated("anon_patientid", keep="last")
    n_seen = int(((exams["rad_timing"] == "2") & last.reindex(exams.index)).sum())
    told = [
        (n_recall, f"{n_recall:,} exams have no rad_recall; whether they were recalled is unknown."),
        (n_timing, f"{n_timing:,} exams of cases have no rad_timing; their breast is unlabelled."),
        (n_seen, f"{n_seen:,} exams of rad_timing 2 precede another: no interval cancers."),
    ]  # fmt: skip
    return [sentence for n, sentence in told if n]


ADAPTER = Adapter(
    CARD,
    "the CSV with columns anon_patientid, exam_year, x_case, rad_timing and anon_filename",
    detect,
    adapt,
    {"prevalence": "share of women with cancer that sampling weights shall restore, e.g. 0.02"},
)
