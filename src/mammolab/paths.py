"""Where everything lies: the repository's folders and the layout of one run, build/<run>/."""

import json
import os
from dataclasses import dataclass
from pathlib import Path


def repository_root() -> Path:
    """Return the folder that holds notebooks/, configs/, figures/ and build/.

    It is the checkout this package was installed from; the environment variable MAMMOLAB_ROOT
    names another one (a companion study with chapters of its own, or a test's toy repository).
    """
    given = os.environ.get("MAMMOLAB_ROOT")
    return Path(given).resolve() if given else Path(__file__).resolve().parents[2]


def notebook_path(chapter: str) -> Path:
    """Return the source notebook of a chapter, such as notebooks/07_triage.ipynb."""
    return repository_root() / "notebooks" / f"{chapter}.ipynb"


def run_root(run_dir: str | Path) -> Path:
    """Return the absolute folder of a run; a relative one is taken from the repository's root.

    A chapter opened in Jupyter works in notebooks/, one run by the pipeline at the root: both
    must find the same build/demo.
    """
    return (repository_root() / Path(run_dir)).resolve()


def image_folder(raw: Path) -> Path:
    """Return the folder of an export's images: the one that export.json names, else raw/dicom.

    `mammolab adapt` copies no image: it writes where they lie, as `images_root`.
    """
    try:
        named = json.loads((raw / "export.json").read_text(encoding="utf-8"))["images_root"]
    except (OSError, ValueError, KeyError, TypeError):
        named = None
    return raw / (named if isinstance(named, str) and named else "dicom")


def image_list(raw: Path) -> Path:
    """Return the table that says whose and which view an export's images are, where it has one."""
    return raw / "images.csv"


@dataclass(frozen=True)
class RunPaths:
    """The files of one run.

    Parameters
    ----------
    root : Path
        The run's folder, build/<run>.
    """

    root: Path

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.root.name

    @property
    def raw(self) -> Path:
        """Folder of synthetic hospital exports (a real data set lies where its profile says)."""
        return self.root / "raw"

    @property
    def truth(self) -> Path:
        """Folder of the world's hidden state; synthetic runs only."""
        return self.root / "truth"

    @property
    def tables(self) -> Path:
        """Folder of the Parquet tables that travel between chapters."""
        return self.root / "tables"

    def table(self, name: str) -> Path:
        """Parquet file of the table `name`."""
        return self.tables / f"{name}.parquet"

    @property
    def images(self) -> Path:
        """Pixels of every kept image: uint8, n x height x width, to be memory-mapped."""
        return self.root / "images.npy"

    @property
    def models(self) -> Path:
        """Folder of trained models; each has a folder of its own."""
        return self.root / "models"

    def model(self, name: str) -> Path:
        """Folder of the model `name`."""
        return self.models / name

    @property
    def notebooks(self) -> Path:
        """Folder of executed chapters (.ipynb and .html)."""
        return self.root / "notebooks"

    @property
    def figures(self) -> Path:
        """Folder of figures (.svg) and their sidecars (.json)."""
        return self.root / "figures"

    @property
    def numbers(self) -> Path:
        """Folder of the chapters' numbers; numbers/<chapter>.json also says the chapter is done."""
        return self.root / "numbers"

    @property
    def numbers_json(self) -> Path:
        """All chapters' numbers in one flat file, gathered by the manuscript chapter."""
        return self.root / "numbers.json"

    @property
    def timing(self) -> Path:
        """Folder of the chapters' wall time and peak memory."""
        return self.root / "timing"

    @property
    def provenance_json(self) -> Path:
        """Code, packages, parameters and raw digests of the whole run."""
        return self.root / "provenance.json"

    @property
    def paper(self) -> Path:
        """The run's paper."""
        return self.root / "paper.pdf"

    @property
    def logs(self) -> Path:
        """Folder of logs and of the events that feed the progress display."""
        return self.root / "logs"
