"""EMBED's clinical table, one row a finding: exams, what was told of each breast, pathology."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mammolab.data.adapters.base import distinct
from mammolab.data.adapters.embed_tables import PATHS
from mammolab.data.adapters.rules import require, require_constant

BIRADS = {"A": "0", "N": "1", "B": "2", "P": "3", "S": "4", "M": "5", "K": "6", "X": ""}
# From the worst. That of diagnostic exams is the owners', but for the place of A (assumption).
WORST = {"screening": "AKMSPBN", "diagnostic": "KMSAPBN"}
NOT_OF_SCREENING = set("PSMK")
SEVERITY = {"0": "invasive", "1": "in_situ", "2": "benign", "3": "benign", "4": "benign",
            "5": "", "6": ""}  # fmt: skip
# LCIS stands among the in-situ cancers; it is no cancer (AJCC, 8th edition).
LCIS, LCIS_STAGE = "LS", "PTISL"
IN_SITU_CODES = {"DC", "DCC", "DCH", "DCL", "DMP", "DS", "CI", "MDC", "PC", "PD"}
TABLE = "embed, clinical table"
UNKNOWN_SIDE = "a cancer of hers is of unknown side"


def exams_of(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an exam, with `left_out`: why it is none of ours, or blank.

    Parameters
    ----------
    rows : findings, text, with dates as datetime in study_date.

    Returns
    -------
    DataFrame indexed by acc_anon: the first known value of each exam-level column; kind (screening,
        diagnostic or blank), sides ("LR", "L", "R"), code (worst assessment), asses_raw, left_out.
    """
    keys = ("acc_anon",)
    require_constant(rows, keys, ("empi_anon", "study_date"), TABLE)
    require(rows, rows["asses"].isin(["", *BIRADS]), keys,
            f"{TABLE}: asses holds what is none of {', '.join(BIRADS)},")  # fmt: skip
    require(rows, rows["side"].isin(["", "L", "R", "B"]), keys,
            f"{TABLE}: side holds what is none of L, R, B,")  # fmt: skip
    groups = rows.replace("", None).groupby("acc_anon", sort=False)
    exams = groups.first().fillna({name: "" for name in rows if name != "study_date"})
    desc = exams["desc"].str.lower()
    screen, work_up = desc.str.contains("screen"), desc.str.contains("diag")
    exams["kind"] = ""
    exams.loc[work_up, "kind"] = "diagnostic"
    exams.loc[screen, "kind"] = "screening"
    told = rows.groupby("acc_anon", sort=False)
    exams["sides"] = [_sides(text, set(found)) for text, found in zip(desc, told["side"].agg(list))]
    exams["asses_raw"] = told["asses"].agg(distinct)
    exams["density_raw"] = told["tissueden"].agg(distinct)
    has_pathology = told["path_severity"].agg(lambda held: (held != "").any())
    exams["code"] = [
        worst(codes.split("|"), kind) for codes, kind in zip(exams["asses_raw"], exams["kind"])
    ]
    # Owners, on reading notes: a screen read N or B with pathology of its own was recalled.
    exams["recoded"] = screen & exams["code"].isin(["N", "B"]) & has_pathology
    exams.loc[exams["recoded"], "code"] = "A"
    exams["left_out"] = _left_out(exams)
    return exams


def worst(codes: list[str], kind: str) -> str:
    """The worst of the assessments, X and blank being none.

    Examples
    --------
    >>> worst(["B", "A", "X"], "screening"), worst(["B", "S"], "diagnostic"), worst(["X"], "")
    ('A', 'S', '')
    """
    return next((code for code in WORST.get(kind, WORST["diagnostic"]) if code in codes), "")


def breasts_of(rows: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """One row a breast of each exam: birads, asses_raw, derived.

    A finding of side B or of no side is of both breasts. A breast of a bilateral exam that has no
    row is N ("derived"), as the owners complete it: its negative reading was not written down.
    """
    sided = rows[["acc_anon", "side", "asses"]].copy()
    sided["laterality"] = sided["side"].map({"L": ["L"], "R": ["R"]})
    sided["laterality"] = [
        held if isinstance(held, list) else ["L", "R"] for held in sided["laterality"]
    ]
    told = sided.explode("laterality").groupby(["acc_anon", "laterality"])["asses"].agg(distinct)
    every = [
        (exam_id, side)
        for exam_id, sides in exams["sides"].items()
        for side in "LR"
        if side in sides or (exam_id, side) in told.index
    ]
    breasts = pd.DataFrame(every, columns=["acc_anon", "laterality"])
    keys = pd.MultiIndex.from_frame(breasts)
    held = told.reindex(keys)
    breasts["derived"] = held.isna().map({True: "1", False: "0"}).to_numpy()
    breasts["asses_raw"] = held.fillna("").to_numpy()
    kinds = breasts["acc_anon"].map(exams["kind"])
    breasts["birads"] = [
        "1" if derived == "1" else BIRADS.get(worst(codes.split("|"), kind), "")
        for derived, codes, kind in zip(breasts["derived"], breasts["asses_raw"], kinds)
    ]
    return breasts


def pathology_of(rows: pd.DataFrame, exams: pd.DataFrame) -> pd.DataFrame:
    """One row a specimen: the same is written on the screen and on its work-up, by hand.

    Parameters
    ----------
    rows : findings with datetimes in study_date, procdate and pdate.

    Returns
    -------
    DataFrame: empi_anon, laterality ("" unknown), date (of the procedure, else of the report, else
        of the exam), result ("" for normal tissue and cancers of other organs), severity_raw,
        type_raw, paths_raw, tnmpt_raw, exam_ids. Of one woman, breast and date the worst severity
        is kept, of equals the surgical one.
    """
    held = rows[rows["path_severity"] != ""].copy()
    severity = held["path_severity"].str.removesuffix(".0")
    require(held, severity.isin(SEVERITY), ("acc_anon",),
            f"{TABLE}: path_severity holds what is none of 0 to 6,")  # fmt: skip
    require(held, held["bside"].isin(["", "L", "R", "B"]), ("acc_anon",),
            f"{TABLE}: bside holds what is none of L, R, B,")  # fmt: skip
    one_sided = held["acc_anon"].map(exams["sides"]).where(lambda sides: sides != "LR", "")
    found = held["side"].where(held["side"].isin(["L", "R"]), one_sided)
    side = held["bside"].where(held["bside"] != "", found)
    held["laterality"] = [["L", "R"] if one == "B" else [one] for one in side]
    held["date"] = held["procdate"].fillna(held["pdate"]).fillna(held["study_date"])
    held["severity_raw"], held["type_raw"] = severity, held["type"]
    held["paths_raw"] = held[list(PATHS)].apply(
        lambda codes: "|".join(code for code in codes if code), axis=1
    )
    held["tnmpt_raw"] = held["tnmpt"]
    lobular = [_is_lcis(codes, stage) for codes, stage in zip(held["paths_raw"], held["tnmpt_raw"])]
    held["result"] = severity.map(SEVERITY)
    held.loc[(severity == "1") & pd.Series(lobular, index=held.index, dtype=bool), "result"] = (
        "benign"
    )
    held["order"] = held["result"].map({"invasive": 0, "in_situ": 1, "benign": 2, "": 3})
    held["surgical"] = (held["type"] == "S").map({True: 0, False: 1})
    held = held.explode("laterality").sort_values(["order", "severity_raw", "surgical"])
    specimen = ["empi_anon", "laterality", "date"]
    held["exam_ids"] = held.groupby(specimen)["acc_anon"].transform(distinct)
    columns = [*specimen, "result", "severity_raw", "type_raw", "paths_raw", "tnmpt_raw",
               "exam_ids"]  # fmt: skip
    return held.drop_duplicates(specimen)[columns].sort_values(specimen, ignore_index=True)


def linked_work_up(exams: pd.DataFrame, days: Mapping[str, int]) -> pd.DataFrame:
    """The first diagnostic exam of the woman after each screen, within the days of its code.

    Parameters
    ----------
    exams : as `exams_of` gives.
    days : code -> most days; the owners take 180 after A, and 365 after N and B.

    Returns
    -------
    DataFrame indexed by acc_anon of the screens that have one: workup_exam_id, workup_days.
    """
    screens = exams[exams["kind"] == "screening"].reset_index()
    later = exams[exams["kind"] == "diagnostic"].reset_index()
    pairs = screens[["acc_anon", "empi_anon", "study_date", "code"]].merge(
        later[["acc_anon", "empi_anon", "study_date"]], on="empi_anon", suffixes=("", "_later")
    )
    pairs["workup_days"] = (pairs["study_date_later"] - pairs["study_date"]).dt.days
    most = pairs["code"].map(days)
    pairs = pairs[(pairs["workup_days"] >= 0) & (pairs["workup_days"] <= most)]
    first = pairs.sort_values(["workup_days", "acc_anon_later"]).drop_duplicates("acc_anon")
    first = first.rename(columns={"acc_anon_later": "workup_exam_id"}).set_index("acc_anon")
    return first[["workup_exam_id", "workup_days"]]


def _sides(desc: str, found: set[str]) -> str:
    """The breasts an exam is of: by its description, else by its findings."""
    if "bilat" in desc:
        return "LR"
    for word, side in (("left", "L"), ("right", "R")):
        if word in desc:
            return side
    return "".join(sorted(found)) if found in ({"L"}, {"R"}) else "LR"


def _left_out(exams: pd.DataFrame) -> pd.Series:
    """Why an exam is left out; of several reasons the first."""
    kind = exams["kind"]
    codes = exams["asses_raw"].map(lambda text: set(text.split("|")))
    reasons = (
        ((exams["GENDER_DESC"] != "") & (exams["GENDER_DESC"].str.lower() != "female"),
         "not of a woman"),
        (exams["desc"] == "", "no description"),
        (kind == "", "neither screening nor diagnostic"),
        (exams["study_date"].isna(), "no date"),
        (exams["age_at_study"] == "", "no age"),
        ((kind == "screening") & codes.map(lambda held: bool(held & NOT_OF_SCREENING)),
         "screening assessed as P, S, M or K"),
        ((kind == "screening") & (exams["code"] == ""), "screening without assessment"),
    )  # fmt: skip
    left_out = pd.Series("", index=exams.index, dtype=object)
    for holds, reason in reasons:
        left_out = left_out.mask((left_out == "") & holds, reason)
    return left_out


def _is_lcis(codes: str, stage: str) -> bool:
    held = set(codes.split("|"))
    return stage == LCIS_STAGE or (LCIS in held and not held & IN_SITU_CODES)
