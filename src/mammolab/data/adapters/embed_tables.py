"""EMBED's two tables as text: the first release only, ids exact, dates as dates."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mammolab.data.adapters.rules import require
from mammolab.errors import InputError, MissingInput

PATHS = tuple(f"path{number}" for number in range(1, 11))
CLINICAL = ("EMBED_OpenData_clinical.csv", "EMBED_OpenData_clinical_reduced.csv")
METADATA = ("EMBED_OpenData_metadata.csv", "EMBED_OpenData_metadata_reduced.csv")
SECOND_RELEASE = {"studydate_anon", "age_at_study_anon", "mg_exam_type", "path_severity_exam_level"}
NEEDED = ("empi_anon", "acc_anon", "study_date_anon", "desc", "asses", "side", "tissueden",
          "age_at_study", "path_severity", "bside", "procdate_anon")  # fmt: skip
OPTIONAL = ("pdate_anon", "type", "tnmpt", "loc_num", "cohort_num", "implanfind", "GENDER_DESC",
            "RACE_DESC", "ETHNICITY_DESC", "ETHNIC_GROUP_DESC", *PATHS)  # fmt: skip
FILE_NEEDED = ("anon_dicom_path", "empi_anon", "acc_anon", "FinalImageType",
               "ImageLateralityFinal", "ViewPosition", "spot_mag")  # fmt: skip
FILE_OPTIONAL = ("Manufacturer", "ManufacturerModelName", "BreastImplantPresent", "ROI_coords",
                 "AcquisitionTime", "StudyDescription", "ImagerPixelSpacing",
                 "PresentationIntentType")  # fmt: skip
EXACT = 2**53  # up to here a float tells whole numbers apart


def is_embed(root: Path) -> bool:
    """Whether the folder holds EMBED's tables, of either release."""
    tables = root / "tables"
    return any((tables / name).is_file() for name in CLINICAL) or any(tables.glob("*_anon.parquet"))


def read_clinical(root: Path) -> pd.DataFrame:
    """The clinical table as text, with study_date, procdate and pdate as dates beside it."""
    rows = _read(root, CLINICAL, NEEDED, OPTIONAL)
    if not (rows["RACE_DESC"] != "").any():
        rows["RACE_DESC"] = rows["ETHNICITY_DESC"]
    for name in ("study_date", "procdate", "pdate"):
        text = rows[f"{name}_anon"].str[:10]
        rows[name] = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
        require(rows, rows[name].notna() | (text == ""), ("acc_anon",),
                f"embed, clinical table: {name}_anon is no date as YYYY-MM-DD")  # fmt: skip
    return rows


def read_files(root: Path) -> pd.DataFrame:
    """The table of files as text, with `path` below images/ and `image_id`, the SOP instance UID."""
    files = _read(root, METADATA, FILE_NEEDED, FILE_OPTIONAL)
    # What stands before cohort_ differs between copies.
    files["path"] = files["anon_dicom_path"].str.extract(r"(cohort_.*)$", expand=False).fillna("")
    require(files, files["path"] != "", ("acc_anon",),
            "embed, table of files: anon_dicom_path has no part that begins with cohort_")  # fmt: skip
    files["image_id"] = files["path"].str.rsplit("/", n=1).str[-1].str.removesuffix(".dcm")
    return files


def _read(
    root: Path, names: tuple[str, ...], needed: tuple[str, ...], optional: tuple[str, ...]
) -> pd.DataFrame:
    """The columns of the first of the files that is there, as stripped text; absent ones blank."""
    found = [root / "tables" / name for name in names if (root / "tables" / name).is_file()]
    if not found:
        if any((root / "tables").glob("*_anon.parquet")):
            raise InputError(_second_release(root / "tables"))
        raise MissingInput(f"{root / 'tables' / names[0]}: the file does not exist.")
    path = found[0]
    try:
        header = pd.read_csv(path, nrows=0, dtype=str, encoding="utf-8-sig").columns
        if SECOND_RELEASE & set(header):
            raise InputError(_second_release(path))
        absent = [column for column in needed if column not in header]
        if absent:
            raise InputError(f"{path}: column {', '.join(absent)} is missing.")
        present = [column for column in (*needed, *optional) if column in header]
        # All as text: a float column would corrupt ids above 2**53 without a word.
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=present,
                           encoding="utf-8-sig")[present]  # fmt: skip
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path}: not a readable CSV table ({' '.join(str(error).split())}).")
    rows = rows.apply(lambda column: column.str.strip())
    rows = rows.where(~rows.isin(["nan", "NaN"]), "")
    rows = rows.reindex(columns=[*needed, *optional], fill_value="")
    for column in ("acc_anon", "empi_anon"):
        rows[column] = _ids(rows, column, path)
    return rows


def _ids(rows: pd.DataFrame, column: str, path: Path) -> pd.Series:
    ids = rows[column]
    require(rows, ids != "", ("acc_anon",), f"{path}: {column} is blank")
    whole = ids.str.removesuffix(".0")
    digits = whole.str.fullmatch(r"\d+")
    safe = digits & (whole.where(digits, "0").map(int) < EXACT)
    require(rows, (ids == whole) & digits | safe, (column,),
            f"{path}: {column} went through floating point, which does not tell ids above 2**53 "
            "apart (take the table as published),")  # fmt: skip
    return whole


def _second_release(path: Path) -> str:
    return (
        f"{path} is EMBED's second release, whose columns differ; this adapter reads the first, "
        f"with {CLINICAL[0]} and {METADATA[0]}."
    )
