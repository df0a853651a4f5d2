"""The risk models that a run has trained, on a table of women."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mammolab.clinic.risk_table import OPTIONAL, Women
from mammolab.clinic.risk_verdicts import Verdict, spans, spread
from mammolab.errors import InputError, unknown_name
from mammolab.paths import RunPaths, repository_root
from mammolab.risk.gail import ASIAN, COLUMNS, GROUP_OF_RACE, HISPANIC

LEVEL_OF_GROUP = {
    **dict.fromkeys(HISPANIC, "hispanic"),
    **dict.fromkeys(ASIAN, "asian"),
    "native_american_or_unknown": "other",
}
# Of a file's name. Those of HEADS need image files: no column of a table has what they start from.
KEYS = {
    "factors": "risk_factors",
    "image": "image",
    "hybrid": "hybrid",
    "hazard_image": "hazard_image",
    "hazard_hybrid": "hazard_hybrid",
}
HEADS = ("hazard_image", "hazard_hybrid")
TITLES = {
    "risk_factors": "Risk factors",
    "image": "Image, logistic",
    "hybrid": "Hybrid, stacked",
    "hazard_image": "Image, hazard of each year",
    "hazard_hybrid": "Hybrid, hazard of each year",
}
HISTORY = {*COLUMNS, *OPTIONAL} - {"age_years"}  # a woman of unknown age is not scored
MADE_HERE = ("image_logit", "factor_score")  # columns that the models make from others


@dataclass(frozen=True, eq=False)
class TrainedModels:
    """The models that chapter 09 of a run has saved.

    models : by file name without suffix: a RiskFactorModel ("factors"), HybridModels (the others).
    sha256 : of each file.
    synthetic : whether the run's women are; None where the folder does not say.
    """

    folder: Path
    models: Mapping[str, object]
    sha256: Mapping[str, str]
    synthetic: bool | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """Columns of a table that the models ask for beyond Gail's."""
        designs = [self.models["factors"].design]
        designs += [one.model.design for name, one in self.models.items() if name != "factors"]
        asked = {factor.column for design in designs for factor in design.factors}
        asked |= {"image_risk"} if len(self.models) > 1 else set()
        return tuple(sorted(asked - {*COLUMNS, *MADE_HERE}))

    def inputs(self, women: Women) -> pd.DataFrame:
        """The women as the models take them: the run's names of races, and the factors' score."""
        race = women.frame["race_ethnicity"].map({r: r for r in GROUP_OF_RACE} | LEVEL_OF_GROUP)
        frame = women.frame.assign(race_ethnicity=race.where(race.notna(), None))
        return frame.assign(factor_score=self.models["factors"].linear_predictor(frame))

    def verdicts(self, women: Women, horizon_years: float) -> tuple[list[Verdict], list[str]]:
        """What the models say, and in words what was skipped and why.

        A projection beyond the follow-up of the women a model was trained on is left out.
        """
        frame = self.inputs(women)
        factors = self.models["factors"]
        design = factors.design
        asked = [factor.column for factor in design.factors]
        unknown, clean = design.unknown(frame), women.clean(asked)
        known = {name: ~unknown[name].to_numpy() for name in asked}
        heads = [name for name in HEADS if self._can_start(name, frame)]
        within, skipped = self._spans(horizon_years, heads)
        stand_ins = {name: one for name, one in design.stand_ins().items() if name in HISTORY}
        verdicts = [
            _verdict("risk_factors", factors, frame, within["factors"], clean, known, stand_ins)
        ]
        of_images = [name for name in ("image", "hybrid") if name in self.models]
        if "image_risk" in women.absent:
            skipped.append(
                f"{' and '.join(of_images)}: the table has no column image_files or image_risk"
            )
            return verdicts, skipped
        for name in of_images:
            seen = frame["image_risk"].notna().to_numpy()
            if name == "hybrid":
                rows, entered = women.clean([*asked, "image_risk"]), {**known, "image_risk": seen}
            else:
                rows, entered = women.clean(["image_risk"]), {"image_risk": seen}
            verdicts.append(
                _verdict(name, self.models[name], frame, within[name], rows, entered, {}, seen)
            )
        for name in heads:
            seen = frame[self.models[name].image_column].notna().to_numpy()
            joins = name == "hazard_hybrid"
            rows, entered = (clean, known) if joins else (women.clean([]), {})
            verdicts.append(
                _verdict(name, self.models[name], frame, within[name], rows, entered, {}, seen)
            )
        return verdicts, skipped

    def _can_start(self, head: str, frame: pd.DataFrame) -> bool:
        return head in self.models and self.models[head].image_column in frame

    def _spans(
        self, horizon_years: float, heads: list[str]
    ) -> tuple[dict[str, dict[str, float]], list[str]]:
        """The projections each model can make, and in words those it cannot."""
        within, skipped = {}, []
        for name, model in self.models.items():
            if name in HEADS and name not in heads:
                continue
            longest = getattr(model, "model", model).follow_up_years
            every = spans(horizon_years)
            within[name] = {span: years for span, years in every.items() if years <= longest}
            for years in every.values():
                if years > longest:
                    skipped.append(
                        f"{KEYS[name]} at {years:g} years: it was trained on {longest:.1f} years "
                        "of follow-up"
                    )
        return within, skipped


def _verdict(model, fitted, frame, years, clean, known, stand_ins, can=True) -> Verdict:
    """Score the women that are clean and `can` be; tell what the clean ones lack."""
    scored = clean & can
    return Verdict(
        model,
        TITLES[model],
        {
            span: spread(fitted.predict(frame[scored], length), scored, float("nan"))
            for span, length in years.items()
        },
        scored,
        {name: rows & scored for name, rows in known.items()},
        {name: ~rows & clean for name, rows in known.items()},
        stand_ins,
    )


def load_models(run: str | None, folder: Path | None) -> TrainedModels | None:
    """Read the models of a run under build/, or those of a folder; None when neither is given.

    Raises
    ------
    InputError
        Both are given, there is no such run or folder, or a file in it is no risk model.
    """
    if run is None and folder is None:
        return None
    if run is not None and folder is not None:
        raise InputError("give --run or --models, not both")
    if run is not None:
        build = repository_root() / "build"
        folder = RunPaths(build / run).model("risk")
        if not (folder / "factors.json").is_file():
            runs = sorted(one.parents[2].name for one in build.glob("*/models/risk/factors.json"))
            if not runs:
                raise InputError(
                    f"--run {run}: no run under build/ has risk models yet; ./run_all.sh 09_risk "
                    "makes those of demo"
                )
            raise unknown_name("run with risk models under build/", run, runs)
    folder = Path(folder)
    if not (folder / "factors.json").is_file():
        raise InputError(
            f"--models {folder} holds no factors.json: give the folder models/risk of a run, which "
            "chapter 09_risk makes"
        )
    from mammolab.risk.factors import RiskFactorModel  # slow to import, for lifelines
    from mammolab.risk.hybrid import HybridModel

    models, sha256 = {}, {}
    for name in KEYS:
        path = folder / f"{name}.json"
        if path.is_file():
            kind = RiskFactorModel if name == "factors" else HybridModel
            try:
                models[name] = kind.load(path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path} is not a risk model of this version") from error
            sha256[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    trained = TrainedModels(folder, models, sha256, _is_synthetic(folder))
    strange = sorted(set(trained.wanted) - set(OPTIONAL))
    if strange:
        raise InputError(
            f"the models of {folder} ask for {', '.join(strange)}, which no table of women has; "
            f"known beside Gail's columns: {', '.join(OPTIONAL)}"
        )
    return trained


def _is_synthetic(folder: Path) -> bool | None:
    """Whether the run around a folder models/risk made its women; None where no run is around."""
    try:
        record = json.loads((folder.resolve().parents[1] / "run.json").read_text("utf-8"))
        return record["raw"] is None
    except (OSError, ValueError, KeyError, IndexError):
        return None
