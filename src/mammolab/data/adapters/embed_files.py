"""EMBED's table of files: which image is used, and the boxes around findings."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd

from mammolab.data.adapters.base import files_below, mark_absent, table
from mammolab.data.adapters.rules import require
from mammolab.errors import InputError
from mammolab.schemas import VIEWS

TABLE = "embed, table of files"
KEYS = ("image_id",)


def images_of(
    files: pd.DataFrame, exams: pd.DataFrame, left_out: pd.Series, root: Path
) -> tuple[pd.DataFrame, list[str]]:
    """Table `images`: standard two-dimensional views of the exams, the latest of each view.

    Parameters
    ----------
    files : as `read_files` gives.
    exams : those kept, indexed by acc_anon, with empi_anon.
    left_out : acc_anon -> why an exam is left out.
    root : holds images/.

    Returns
    -------
    The table, and notes on absent and surplus files.
    """
    standard = files["ViewPosition"].isin(VIEWS)
    side = files["ImageLateralityFinal"]
    require(files, side.isin(["", "L", "R"]), KEYS,
            f"{TABLE}: ImageLateralityFinal holds what is none of L, R,")  # fmt: skip
    # 1 is a spot or magnified view; 0 and blank both are none.
    spot = pd.to_numeric(files["spot_mag"], errors="coerce") == 1
    known = files["acc_anon"].isin(exams.index)
    whose = files["acc_anon"].map(exams["empi_anon"])
    require(files, ~known | (whose == files["empi_anon"]), KEYS,
            f"{TABLE}: empi_anon is another than in the clinical table")  # fmt: skip
    kind = files["FinalImageType"].str.lower().str.replace("-", "", regex=False)
    no_exam = "its exam is left out: " + files["acc_anon"].map(left_out)
    reason = pd.Series("", index=files.index, dtype=object)
    for holds, why in (
        (~known, no_exam.fillna("its exam is not in the clinical table")),
        (kind == "cview", "synthetic 2-D (C-view)"),
        (kind != "2d", "neither 2D nor C-view"),
        (spot, "spot or magnified view"),
        (side == "", "no laterality"),
        (~standard, "view " + files["ViewPosition"].replace("", "unknown")),
    ):
        reason = reason.mask((reason == "") & holds, why)
    again = _repeated(files[reason == ""]).reindex(files.index, fill_value=False)
    reason = reason.mask(again, "an earlier acquisition of this view")
    images = table("images", {
        "image_id": files["image_id"], "exam_id": files["acc_anon"].where(known, ""),
        "patient_id": files["empi_anon"], "path": files["path"], "laterality": side,
        "view": files["ViewPosition"].where(standard, ""),
        "use": (reason == "").map({True: "1", False: "0"}), "reason": reason,
        "manufacturer": files["Manufacturer"], "model": files["ManufacturerModelName"],
        "spacing_mm": files["ImagerPixelSpacing"].str.extract(r"([\d.]+)", expand=False),
        "intent": files["PresentationIntentType"], "exam_id_raw": files["acc_anon"],
        "view_raw": files["ViewPosition"], "kind_raw": files["FinalImageType"],
        "spot_mag_raw": files["spot_mag"], "spacing_raw": files["ImagerPixelSpacing"],
    })  # fmt: skip
    folder = root / "images"
    return mark_absent(images, files_below(folder, ".", ".dcm"))


def boxes_of(files: pd.DataFrame) -> pd.DataFrame:
    """One row a box around a finding: image_id, number, y_min, x_min, y_max, x_max, pixels.

    As told, y first, in the owners' PNG orientation, which may be the mirror image of the file.

    Raises
    ------
    InputError : ROI_coords is no tuple of boxes of four numbers.
    """
    found = []
    for image_id, text in zip(files["image_id"], files["ROI_coords"], strict=True):
        try:
            boxes = ast.literal_eval(text or "()")
            found += [
                (image_id, str(number), *(f"{float(value):g}" for value in (y0, x0, y1, x1)))
                for number, (y0, x0, y1, x1) in enumerate(boxes, 1)
            ]
        except (ValueError, SyntaxError, TypeError):
            raise InputError(
                f"{TABLE}: ROI_coords of image_id {image_id} is {text[:60]!r}; valid: "
                "((y_min, x_min, y_max, x_max), ...) or ()."
            ) from None
    columns = ["image_id", "number", "y_min", "x_min", "y_max", "x_max"]
    return pd.DataFrame(found, columns=columns, dtype=object)


def _repeated(files: pd.DataFrame) -> pd.Series:
    """Images after which another of the same breast and view was acquired; a tie goes by id."""
    # HHMMSS.ffffff, whose leading zero a program may have eaten.
    time = pd.to_numeric(files["AcquisitionTime"], errors="coerce").fillna(-1)
    order = files.assign(time=time).sort_values(["time", "image_id"])
    view = ["acc_anon", "ImageLateralityFinal", "ViewPosition"]
    return order.duplicated(view, keep="last").reindex(files.index)
