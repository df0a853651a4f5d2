"""The object through which a notebook reads its inputs and leaves results behind."""

import json
import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from mammolab.data.lacks import lacks_of
from mammolab.errors import MissingInput
from mammolab.files import write_json
from mammolab.paths import RunPaths, notebook_path, repository_root, run_root
from mammolab.pipeline import graph, provenance, redraw
from mammolab.pipeline.notebook import declared_parameters
from mammolab.report.style import use_style
from mammolab.schemas import read_table, write_table

NUMBER_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")


@dataclass
class Chapter:
    """One chapter at work; made by `open_chapter`, ended by `close`.

    Parameters
    ----------
    name : str
        Such as "07_triage".
    paths : RunPaths
        Files of the run.
    raw : Path
        Folder of raw exports.
    parameters : dict
        The chapter's parameters, by name.
    code_digest : str
        Digest of the chapter's code.
    inputs : dict of str to str
        SHA-256 of each input.
    """

    name: str
    paths: RunPaths
    raw: Path
    parameters: dict
    code_digest: str
    inputs: dict[str, str]
    _numbers: dict[str, dict] = field(default_factory=dict)
    _results: list[pd.DataFrame] = field(default_factory=list)
    _figures: set[str] = field(default_factory=set)

    def read(self, table: str) -> pd.DataFrame:
        """Read one of the chapter's tables, checked against its schema.

        Raises
        ------
        ValueError
            When the table is not among the chapter's inputs in pipeline/graph.py: the chapter
            would then not be run again when the table changes.
        """
        stage = graph.STAGES[self.name]
        if table not in stage.inputs + stage.outputs:
            raise ValueError(
                f"{self.name} reads the table '{table}', which pipeline/graph.py does not list "
                f"among its inputs: {', '.join(filter(graph.is_table, stage.inputs))}"
            )
        return read_table(self.paths.table(table), table)

    def read_number(self, key: str, missing_ok: bool = False) -> float | bool | str | None:
        """Return the value of a number that an earlier chapter left.

        Parameters
        ----------
        key : str
        missing_ok : bool
            Return None where there is none, as where no truth is known.

        Raises
        ------
        ValueError
            When no chapter whose numbers are among this one's inputs in pipeline/graph.py gave it.
        """
        markers = [artefact for artefact in self.inputs if artefact.startswith("numbers/")]
        for marker in markers:
            numbers = json.loads((self.paths.root / marker).read_text(encoding="utf-8"))
            if key in numbers:
                return numbers[key]["value"]
        if missing_ok:
            return None
        raise ValueError(
            f"{self.name} reads the number '{key}', which is in none of its inputs: "
            f"{', '.join(markers) or 'no numbers'}"
        )

    def write(self, table: str, frame: pd.DataFrame) -> None:
        """Write one of the chapter's tables, checked against its schema.

        Raises
        ------
        ValueError
            When the table is not among the chapter's outputs in pipeline/graph.py.
        """
        outputs = graph.STAGES[self.name].outputs
        if table not in outputs:
            raise ValueError(
                f"{self.name} writes the table '{table}', which pipeline/graph.py does not list "
                f"among its outputs: {', '.join(filter(graph.is_table, outputs))}"
            )
        self.paths.tables.mkdir(parents=True, exist_ok=True)
        write_table(frame, self.paths.table(table), table)

    def rng(self, purpose: str) -> np.random.Generator:
        """Return the random stream of a purpose: the same for a seed, whatever was drawn before."""
        return np.random.default_rng([self.parameters["seed"], zlib.crc32(purpose.encode())])

    def number(
        self,
        key: str,
        value: float | bool | str,
        ci: tuple[float, float] | None = None,
        unit: str = "",
        n: int | None = None,
    ) -> None:
        """Keep a number for the paper.

        Parameters
        ----------
        key : str
            Lower case with a dot, such as "triage.sensitivity_with".
        value : float (or int), bool or str
            NaN is kept as null.
        ci : tuple of two floats, optional
            95% confidence interval.
        unit : str
            Such as "per 1000"; empty for a proportion or a count.
        n : int, optional
            What the value rests on.

        Raises
        ------
        ValueError
            When the key has another shape, or was given before.
        """
        if not NUMBER_KEY.fullmatch(key):
            raise ValueError(f"the key '{key}' of a number must look like 'triage.threshold'")
        if key in self._numbers:
            raise ValueError(f"the number '{key}' is given twice in {self.name}")
        low, high = ci if ci is not None else (None, None)
        self._numbers[key] = {
            "value": _plain_number(value),
            "ci_low": _plain_number(low),
            "ci_high": _plain_number(high),
            "unit": unit,
            "n": None if n is None else int(n),
            "chapter": self.name,
            "code_digest": self.code_digest,
            "parameters_digest": provenance.digest_json(self._reported_parameters()),
            "inputs_digest": provenance.digest_json(self.inputs),
        }

    def results(self, frame: pd.DataFrame) -> None:
        """Collect rows of the chapter's results table; the column `chapter` is added."""
        self._results.append(frame.assign(chapter=self.name))

    def figure(
        self,
        name: str,
        plot: Callable | list[redraw.Panel],
        data: pd.DataFrame | None = None,
        size: tuple[float, float] | None = None,
        columns: int = 2,
        **options,
    ):
        """Draw and save a figure, with the data behind it.

        Parameters
        ----------
        name : str
            The file is figures/<chapter>_<name>.svg.
        plot : function, or list of (function, data, options)
            `plot(ax, data, **options) -> ax`, at module level; a list draws one panel each.
        data : DataFrame, optional
            What a single plot draws; small, since all of it goes into the sidecar.
        size : tuple of two floats, optional
            Width and height in inches.
        columns : int
            Panels side by side.
        **options
            Passed to a single plot; JSON values only.

        Returns
        -------
        matplotlib.figure.Figure
        """
        panels = [(plot, data, options)] if callable(plot) else plot
        sidecar = {
            "chapter": self.name,
            "figure": name,
            "code_digest": self.code_digest,
            "parameters": self._reported_parameters(),
            "inputs": self.inputs,
            "size": size,
            "columns": columns,
            "panels": redraw.encode_panels(panels),
        }
        self._figures.add(f"{self.name}_{name}")
        return redraw.write_figure(self.paths.figures, sidecar)

    def close(self) -> None:
        """Write the results table and, last, numbers/<chapter>.json: the chapter is done."""
        table = f"results_{self.name}"
        if self._results:
            self.paths.tables.mkdir(parents=True, exist_ok=True)
            frame = pd.concat(self._results, ignore_index=True)
            write_table(frame, self.paths.table(table), table)
        else:
            self.paths.table(table).unlink(missing_ok=True)
        for path in self.paths.figures.glob(f"{self.name}_*"):
            if path.stem not in self._figures:  # drawn by an earlier version of the chapter
                path.unlink()
        marker = self.paths.root / graph.done_marker(self.name)
        write_json(marker, dict(sorted(self._numbers.items())))

    def _reported_parameters(self) -> dict:
        """Parameters without folders and files, whose places differ from machine to machine; the
        files' digests are among the inputs."""
        places = ("run_dir", "raw_dir", *graph.STAGES[self.name].file_parameters)
        return {k: v for k, v in self.parameters.items() if k not in places}


def _plain_number(value: object) -> object:
    """Turn a numpy scalar into a JSON value, NaN into None."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def command_for(chapter: str, paths: RunPaths) -> str:
    """Return the command that makes a chapter of a run."""
    if paths.name == "demo":
        return f"./run_all.sh {chapter}"
    profile = repository_root() / "configs" / f"{paths.name}.yaml"
    return f"./run_all.sh {chapter} --{'profile' if profile.exists() else 'run'} {paths.name}"


def open_chapter(name: str, namespace: dict) -> Chapter:
    """Begin a chapter: take its parameters, check its inputs, set the figure style.

    Parameters
    ----------
    name : str
        The notebook's name, such as "07_triage".
    namespace : dict
        The notebook's `globals()`.

    Returns
    -------
    Chapter

    Raises
    ------
    MissingInput
        When an input does not exist; the message names the command that makes it, or the parameter
        that names the file.
    """
    declared = declared_parameters(notebook_path(name))
    parameters = {key: namespace[key] for key in declared}
    paths = RunPaths(run_root(parameters["run_dir"]))
    raw_dir = parameters.get("raw_dir", "")
    raw = run_root(raw_dir) if raw_dir else paths.raw
    chapters = graph.chapters_of_run(bool(raw_dir), lacks_of(raw) if raw_dir else ())
    inputs = {
        artefact: graph.artefact_path(artefact, paths.root, raw)
        for artefact in graph.inputs_of(name, chapters)
    }
    missing = {artefact: path for artefact, path in inputs.items() if not path.exists()}
    makers = {graph.producer_of(artefact) for artefact in missing}
    if makers - set(chapters):
        raise MissingInput(
            f"{name} needs {', '.join(map(str, missing.values()))}, which is not there: check `raw` "
            "in the profile"
        )
    if missing:
        last = max(makers, key=chapters.index)  # running it makes all it needs itself
        raise MissingInput(
            f"{name} needs {', '.join(missing)} of the run '{paths.name}': run "
            f"`{command_for(last, paths)}` first, or name another run in `run_dir`"
        )
    given = graph.given_files(name, parameters)
    for parameter, path in given.items():
        if not path.is_file():
            raise MissingInput(f"{name}.{parameter} must name a file, and there is none at {path}")
    use_style()
    pd.set_option("display.precision", 3, "display.max_colwidth", None)
    return Chapter(
        name=name,
        paths=paths,
        raw=raw,
        parameters=parameters,
        code_digest=provenance.code_digest(name),
        inputs=provenance.input_digests(inputs | given),
    )
