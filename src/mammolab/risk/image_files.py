"""What the image models say of exams, straight from their DICOM files."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from mammolab.data.conversion import convert, image_table, in_order
from mammolab.data.growing_store import GrowingStore
from mammolab.data.index_cache import Journal
from mammolab.data.ingest import Archive, index_folder
from mammolab.data.pixels import preprocessing_hash
from mammolab.data.store import open_store
from mammolab.errors import InputError, MissingInput
from mammolab.files import write_json
from mammolab.model.checkpoint import load_network
from mammolab.model.features import feature_names, texture_features
from mammolab.model.network import ResNet18
from mammolab.risk.hazard import HazardRiskModel
from mammolab.risk.image import ImageRiskModel

FILE = "images.json"  # beside the risk models: how the images they saw were prepared
HEADS = ("image", "hybrid")  # chapter 09 saves each in a folder hazard_<name>
DETECTOR = "detector"  # the folder beside theirs that holds the network
_DIGITS = range(9)  # decimals that a pixel spacing may have been given with


@dataclass(frozen=True)
class Preparation:
    """How chapter 03 stored the images that the risk models saw.

    Attributes
    ----------
    rows, columns : int
        Size in pixels.
    spacing_mm : float or None
        Pixel spacing; None where each image was fitted into the frame.
    preprocessing_hash : str
        Of these and of the order of the steps.
    """

    rows: int
    columns: int
    spacing_mm: float | None
    preprocessing_hash: str

    @classmethod
    def of_store(cls, images: pd.DataFrame, store: np.ndarray) -> Preparation:
        """Tell how a store was made; the hash in its table decides.

        Parameters
        ----------
        images : DataFrame
            Table `images`.
        store : uint8 array, shape (n_images, rows, columns)

        Raises
        ------
        InputError
            When no spacing gives that hash: the images were prepared by another version.
        """
        digest = images["preprocessing_hash"].iloc[0]
        rows, columns = store.shape[1:]
        stored_mm = images["spacing_mm"].median()  # all but equal where they were resampled
        rounded = [] if np.isnan(stored_mm) else [round(float(stored_mm), k) for k in _DIGITS]
        for spacing_mm in (None, *rounded):
            if preprocessing_hash(rows, columns, spacing_mm) == digest:
                return cls(rows, columns, spacing_mm, digest)
        raise InputError(
            f"The images of {rows} x {columns} pixels have preprocessing hash {digest}, which no "
            "pixel spacing gives in this version; make them again by chapter 03_images."
        )

    def save(self, folder: Path) -> None:
        """Write images.json to the folder of the risk models."""
        write_json(folder / FILE, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Preparation:
        """Read what `save` wrote.

        Raises
        ------
        MissingInput
            When the folder has none.
        InputError
            When this version prepares images in another way.
        """
        path = folder / FILE
        if not path.is_file():
            raise MissingInput(
                f"{folder} holds no {FILE}, which says how images are to be prepared for its "
                "models; run chapter 09_risk again."
            )
        found = cls(**json.loads(path.read_text("utf-8")))
        now = preprocessing_hash(found.rows, found.columns, found.spacing_mm)
        if now != found.preprocessing_hash:
            raise InputError(
                f"The models of {folder} saw images of preprocessing hash "
                f"{found.preprocessing_hash}, and this version makes {now} at the same size; run "
                "chapters 03_images to 09_risk again."
            )
        return found


def score_image_files(
    models: Path, root: Path, files: pd.DataFrame, exams: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what the image models say of exams, and what is wrong with their files.

    Each file is judged, decoded and stored as chapters 02 and 03 do, described by the detector's
    feature maps and averaged over the exam's views as in chapter 09.

    Parameters
    ----------
    models : Path
        The folder models/risk of a run; the detector lies beside it.
    root : Path
        Folder from which the paths of the files start.
    files : DataFrame
        exam (any key) and path, one row a file.
    exams : DataFrame
        The risk factors that a hybrid joins, by exam.

    Returns
    -------
    risk : DataFrame
        Of exams with a usable image, by exam, the columns that the saved Cox models start from:
        image_risk of the logistic model, and image_raw and hybrid_raw of the hazard heads that
        there are (risk of the last year, not yet absolute).
    problems : DataFrame
        exam, path, reason of each file that was not used ("kind: detail").

    Raises
    ------
    MissingInput, InputError
        When a model is absent, or the detector, the image model and the preparation of the images
        do not belong together.

    Notes
    -----
    An exam whose files are of several patients or exams is not scored: nobody knows whose it is.
    """
    preparation = Preparation.load(models)
    network = load_network(models.parent / DETECTOR, preparation.preprocessing_hash)
    model = _image_model(models)
    n_features = len(feature_names(network))
    if len(model.mean) != n_features:
        raise InputError(
            f"The image model in {models} takes {len(model.mean)} features and the detector beside "
            f"it gives {n_features}; run chapter 09_risk again."
        )
    files = files.drop_duplicates(["exam", "path"])
    there = files["path"].map(lambda path: os.path.exists(root / path)).to_numpy(bool)
    absent = files[~there].assign(reason="absent: there is no such file")
    if not there.any():
        return pd.DataFrame(columns=["image_risk"], dtype=float), absent.reset_index(drop=True)
    archive, paths = Archive(root), sorted(set(files.loc[there, "path"]))
    risk = pd.DataFrame(columns=["image_risk"], dtype=float)
    with tempfile.TemporaryDirectory() as folder:
        facts = index_folder(archive, Journal(Path(folder, "index.jsonl")), 1, _silent, paths)
        size = preparation.rows, preparation.columns, preparation.spacing_mm
        store = GrowingStore(Path(folder), *size)
        index = convert(_reject_mixed(files, facts), archive, store, 1, 1, _silent)
        images = image_table(in_order(index), store)
        if len(images):
            by_exam = _features(network, open_store(store.path), images.merge(files, on="path"))
            risk = pd.DataFrame({"image_risk": expit(model.score(by_exam))}, index=by_exam.index)
            for name in HEADS:
                if (models / f"hazard_{name}").is_dir():
                    head = HazardRiskModel.load(models / f"hazard_{name}")
                    risk[f"{name}_raw"] = head.predict(by_exam, exams.loc[by_exam.index])[:, -1]
    unused = pd.concat([absent, _not_used(files, index)])
    order = files.reset_index().merge(unused, on=["exam", "path"]).sort_values("index")
    return risk, order[["exam", "path", "reason"]].reset_index(drop=True)


def _silent(line: str) -> None:
    """Progress on a handful of files is not shown."""


def _features(network: ResNet18, store: np.ndarray, stored: pd.DataFrame) -> pd.DataFrame:
    """The features of each exam, averaged over its views as in chapter 09.

    stored : row in the store, and exam as the caller names it.
    """
    rows = stored["row"].to_numpy(np.int64)
    features = pd.DataFrame(texture_features(network, store, rows), columns=feature_names(network))
    return features.groupby(stored["exam"].to_numpy()).mean()


def _image_model(models: Path) -> ImageRiskModel:
    path = models / "texture.json"
    if not path.is_file():
        raise MissingInput(f"{models} holds no {path.name}; run chapter 09_risk first.")
    return ImageRiskModel.load(path)


def _reject_mixed(files: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    """Reject the files of an exam that belong to several, and those that several exams name.

    Before any choice is made, so that none of them takes another's place.
    """
    usable = files.merge(facts.loc[facts["status"] == "ok", ["path", "patient_id", "exam_id"]])
    owners = usable.groupby("path")["exam"].nunique()
    by_exam = usable.groupby("exam")
    reasons = {path: "several rows: another row names it too" for path in owners[owners > 1].index}
    for header, said in (("exam_id", "AccessionNumber"), ("patient_id", "PatientID")):
        several = by_exam[header].transform("nunique") > 1
        reasons |= {
            path: f"mixed up: the files of the row differ in {said}"
            for path in usable.loc[several, "path"]
        }
    facts = facts.copy()
    wrong = facts["path"].isin(list(reasons))
    facts.loc[wrong, "status"] = "rejected"
    facts.loc[wrong, "reason"] = facts.loc[wrong, "path"].map(reasons)
    return facts


def _not_used(files: pd.DataFrame, index: pd.DataFrame) -> pd.DataFrame:
    """The files that were rejected, each with the reason."""
    return files.merge(index.loc[index["status"] != "ok", ["path", "reason"]], on="path")
