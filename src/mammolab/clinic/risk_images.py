"""The column image_files of a table of women: from names of files to the column image_risk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mammolab.clinic.risk_table import FILES, Women
from mammolab.clinic.risk_trained import TrainedModels
from mammolab.data.user_table import brief
from mammolab.errors import InputError

# (folder of the models, folder of the files, table of exam and path, risk factors by exam) to what
# the image models say by exam and a table of exam, path and reason. `risk.image_files` has it; no
# network is imported here.
ScoreFiles = Callable[[Path, Path, pd.DataFrame, pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]
LONGEST = 200  # characters of a file's name that are told: its end tells it from its neighbours
MODELS = (
    "texture.json",
    "images.json",
    "../detector/model.safetensors",
    "hazard_image/model.safetensors",
    "hazard_hybrid/model.safetensors",
)


def images_folder(table: Path, images: Path | None) -> Path:
    """The folder from which the names of files start: the one given, else that of the table.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    folder = Path(table).parent if images is None else Path(images)
    if not folder.is_dir():
        raise InputError(f"--images names no folder: {folder}")
    return folder


def with_image_risk(
    women: Women, trained: TrainedModels, folder: Path, score_files: ScoreFiles
) -> Women:
    """Fill in image_risk from the files of the women that have none, and what the heads say.

    Parameters
    ----------
    women : Women
        With `files`.
    trained : TrainedModels
    folder : Path
        Where the names of the files start.
    score_files : callable

    Returns
    -------
    Women
        A file that is not used is a problem of its row; the others of the row still count.

    Raises
    ------
    InputError
        When the models cannot be used or do not belong together.
    """
    given = women.frame["image_risk"].notna().to_numpy()
    files = women.files[~given[women.files["position"]]]
    if files.empty:
        return women
    named = pd.DataFrame({"exam": files["position"], "path": files["path"]})
    said, wrong = score_files(trained.folder, folder, named, trained.inputs(women))
    said = said.reindex(women.frame.index)
    said["image_risk"] = women.frame["image_risk"].where(given, said["image_risk"])
    rows = files.drop_duplicates("position").set_index("position")["row"]
    problems = pd.DataFrame(
        {
            "position": wrong["exam"],
            "row": wrong["exam"].map(rows),
            "column": FILES,
            "value": [brief(one, LONGEST) for one in wrong["path"]],
            "problem": [
                f"{FILES} '{brief(path, LONGEST)}' is not used, {reason}"
                for path, reason in zip(wrong["path"], wrong["reason"], strict=True)
            ],
        }
    )
    every = pd.concat([women.problems, problems], ignore_index=True)
    every = every.astype({"position": int, "row": int})
    return replace(
        women,
        frame=women.frame.assign(**{name: said[name] for name in said}),
        problems=every.sort_values("position", kind="stable", ignore_index=True),
    )


def digests(models: Path) -> dict[str, str]:
    """SHA-256 of the files that turn images into risks, by name."""
    return {
        name.removeprefix("../"): hashlib.sha256((models / name).read_bytes()).hexdigest()
        for name in MODELS
    }
