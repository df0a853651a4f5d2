"""A run is a profile plus overrides; both are held against the notebooks before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from mammolab import data
from mammolab.data.lacks import lacks_of
from mammolab.errors import InputError, closest_first, unknown_name
from mammolab.paths import notebook_path, repository_root
from mammolab.pipeline import graph
from mammolab.pipeline.notebook import Value, declared_parameters

# What the runner fills in by itself.
RESERVED = ("run_dir", "raw_dir", "seed")
DATASETS = sorted(card.stem for card in (Path(data.__file__).parent / "adapters").glob("cards/*"))
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Profile:
    """What a run is asked to do.

    Parameters
    ----------
    name : str
        Also the run's folder under build/, unless another is given.
    seed : int
        Seed of every chapter.
    raw : Path or None
        Folder of raw exports; None makes a synthetic programme.
    chapters : dict of str to dict
        Parameters that differ from the notebooks' defaults, by chapter.
    dataset : str or None
        The public data set, by `mammolab adapt`'s name, that `raw` is made from.
    """

    name: str
    seed: int
    raw: Path | None
    chapters: dict[str, dict[str, Value]]
    dataset: str | None = None

    @property
    def left_out(self) -> dict[str, str]:
        """Chapters that cannot run on these exports, each with the sentence that says why."""
        return graph.left_out(lacks_of(self.raw))

    @property
    def chapters_of_run(self) -> list[str]:
        """Chapters that run."""
        return graph.chapters_of_run(self.raw is not None, lacks_of(self.raw))


def resolve_chapter(text: str) -> str:
    """Return the chapter meant by "07_triage" or "triage".

    Raises
    ------
    InputError
        When there is none; lists all chapters, the closest first.
    """
    by_short_name = {name.split("_", 1)[1]: name for name in graph.STAGES}
    if text in graph.STAGES:
        return text
    if text in by_short_name:
        return by_short_name[text]
    likely = closest_first(text, [*by_short_name, *graph.STAGES])[0]
    first = by_short_name.get(likely, likely)
    names = ", ".join([first, *(name for name in graph.STAGES if name != first)])
    raise InputError(f"there is no chapter '{text}'; valid names, closest first: {names}")


def _parameters_of(chapter: str) -> dict[str, Value]:
    """Return the defaults of a chapter, without what the runner fills in."""
    path = notebook_path(chapter)
    if not path.exists():
        raise InputError(f"the chapter {chapter} has no notebook: {path} is missing")
    return {k: v for k, v in declared_parameters(path).items() if k not in RESERVED}


def _default(chapter: str, parameter: str) -> Value:
    """Return the default of a parameter, or raise the error that lists the valid ones."""
    declared = _parameters_of(chapter)
    if parameter in RESERVED:
        where = "the profile's `raw`" if parameter == "raw_dir" else "the profile"
        where = "--run" if parameter == "run_dir" else where
        raise InputError(f"'{parameter}' is not set for one chapter: use {where}")
    if parameter not in declared:
        raise unknown_name(f"parameter of {chapter}", parameter, declared)
    return declared[parameter]


def check_value(value: object, default: Value, where: str) -> Value:
    """Return a value as the type of its default.

    Parameters
    ----------
    value : object
        As a YAML file gives it.
    default : bool, int, float, str or list
        The notebook's own; the items of a list are held against its first.
    where : str
        Named in the error.

    Raises
    ------
    InputError
        When the type is another; an int may stand for a float, nothing else for anything else.

    Examples
    --------
    >>> check_value(1, 0.5, "triage.target")
    1.0
    """
    kind = type(default)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InputError(f"{where} must be {_article(kind)} such as {default!r}, not {value!r}")
    if kind is list and default:
        return [check_value(item, default[0], f"an item of {where}") for item in value]
    return value


def parse_value(text: str, default: Value, where: str) -> Value:
    """Read a value typed on the command line as the type of its default.

    Lists are separated by commas, with or without brackets.

    Raises
    ------
    InputError
        When the text does not read as that type.

    Examples
    --------
    >>> parse_value("0.98", 0.99, "triage.target"), parse_value("1,2", [5], "world.years")
    (0.98, [1, 2])
    """
    if isinstance(default, list):
        items = [item.strip(" '\"") for item in text.strip("[] ").split(",") if item.strip()]
        if default:
            return [parse_value(item, default[0], f"an item of {where}") for item in items]
        return [yaml.safe_load(item) for item in items]
    try:
        if isinstance(default, bool):
            return BOOLEANS[text.lower()]
        return type(default)(text)
    except (KeyError, ValueError):
        kind = _article(type(default))
        raise InputError(f"{where} must be {kind} such as {default!r}, not '{text}'") from None


def _article(kind: type) -> str:
    return {bool: "true or false,", int: "an int", float: "a float", str: "a str", list: "a list"}[
        kind
    ]


def load_profile(text: str) -> Profile:
    """Read a profile: the name of one in configs/, or the path of a YAML file.

    A relative `raw`, or file that a parameter names, is taken from the folder that holds the YAML
    file.

    Raises
    ------
    InputError
        When there is no such profile, or it holds an unknown key, chapter, parameter or type, or
        names a file that does not exist.
    """
    if text.endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.exists():
            raise InputError(f"there is no profile {text}: the file does not exist")
    else:
        configs = repository_root() / "configs"
        path = configs / f"{text}.yaml"
        if not path.exists():
            raise unknown_name("profile", text, sorted(p.stem for p in configs.glob("*.yaml")))
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InputError(f"{path} is no valid YAML: {' '.join(str(error).split())}") from None
    keys = ("name", "seed", "raw", "dataset", "chapters")
    if not isinstance(given, dict) or "name" not in given:
        raise InputError(f"{path} must be a mapping with {', '.join(keys)}; at least a name")
    for key in given:
        if key not in keys:
            raise unknown_name(f"entry of a profile ({path})", str(key), keys)
    name = check_value(given["name"], "demo", f"name in {path}")
    raw = given.get("raw")
    if raw is not None:
        raw = (path.resolve().parent / Path(check_value(raw, "folder", f"raw in {path}"))).resolve()
    dataset = given.get("dataset")
    if dataset is not None and dataset not in DATASETS:
        raise unknown_name(f"data set in {path}", str(dataset), DATASETS)
    chapters = {}
    for chapter, parameters in (given.get("chapters") or {}).items():
        chapter = resolve_chapter(str(chapter))
        checked = {
            parameter: check_value(value, _default(chapter, parameter), f"{chapter}.{parameter}")
            for parameter, value in (parameters or {}).items()
        }
        chapters[chapter] = _with_whole_paths(chapter, checked, path.resolve().parent)
    return Profile(
        name, check_value(given.get("seed", 2019), 2019, f"seed in {path}"), raw, chapters, dataset
    )


def with_overrides(profile: Profile, overrides: Sequence[str]) -> Profile:
    """Return the profile with overrides such as "triage.target_sensitivity=0.98" laid over it.

    A relative path of a file is taken from the working directory.

    Raises
    ------
    InputError
        When one has another shape, or names no chapter, parameter or file, or its value has no fit
        type.
    """
    chapters = {chapter: dict(parameters) for chapter, parameters in profile.chapters.items()}
    for override in overrides:
        target, equals, text = override.partition("=")
        chapter, dot, parameter = target.partition(".")
        if not (equals and dot and parameter):
            raise InputError(f"-p takes chapter.parameter=value, not '{override}'")
        chapter = resolve_chapter(chapter)
        value = parse_value(text, _default(chapter, parameter), f"{chapter}.{parameter}")
        chapters.setdefault(chapter, {}).update(
            _with_whole_paths(chapter, {parameter: value}, Path.cwd())
        )
    return replace(profile, chapters=chapters)


def _with_whole_paths(chapter: str, parameters: dict[str, Value], folder: Path) -> dict[str, Value]:
    """Return parameters whose files are there and named by whole paths, from `folder`."""
    whole = {}
    for name in graph.STAGES[chapter].file_parameters:
        if given := parameters.get(name):
            path = (folder / Path(given).expanduser()).resolve()
            if not path.is_file():
                raise InputError(f"{chapter}.{name} must name a file, and there is none at {path}")
            whole[name] = str(path)
    return parameters | whole


def check_raw(profile: Profile) -> None:
    """Check that a profile's folder of raw exports, if it has one, has what the chapters read.

    Raises
    ------
    InputError
        Says what makes the folder, or lists what it lacks.
    """
    raw = profile.raw
    if raw is None:
        return
    if profile.dataset is not None and not raw.exists():
        raise InputError(
            f"the folder of raw exports {raw} is not there; `mammolab adapt {profile.dataset} "
            f"FOLDER --out {raw}` makes it from the folder that the data set was unpacked to"
        )
    needed = {name for one in profile.chapters_of_run for name in graph.STAGES[one].inputs}
    needed = sorted(name for name in needed if name.startswith("raw/"))
    missing = [name for name in needed if not graph.artefact_path(name, raw, raw).exists()]
    if missing:
        names = ", ".join(name.removeprefix("raw/") for name in missing)
        raise InputError(f"the folder of raw exports {raw} lacks {names}")


def parameters_of_run(profile: Profile, run_dir: str) -> dict[str, dict[str, Value]]:
    """Return what is injected into each chapter of a run, by chapter.

    Parameters
    ----------
    profile : Profile
        With overrides applied.
    run_dir : str
        The run's folder, as the chapters are to see it.
    """
    injected = {}
    for chapter in profile.chapters_of_run:
        _parameters_of(chapter)  # the notebook must exist
        declared = declared_parameters(notebook_path(chapter))
        filled = {
            "run_dir": run_dir,
            "seed": profile.seed,
            "raw_dir": "" if profile.raw is None else str(profile.raw),
        }
        filled = {name: value for name, value in filled.items() if name in declared}
        injected[chapter] = filled | profile.chapters.get(chapter, {})
    return injected
