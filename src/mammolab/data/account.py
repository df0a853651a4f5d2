"""What became of every file of a folder, in one page of Markdown."""

import pandas as pd

from mammolab.data.header import TRANSFER_SYNTAXES
from mammolab.data.ingest import EXAM, N_VIEWS

ABOUT_VENDORS = (
    "What the files of each vendor and model were, and what was done to those used: the window "
    "each file brought, inversion of MONOCHROME1, and mirroring that brings the chest wall to the "
    "left."
)
ABOUT_NOTES = (
    "Reasons to look at an image, none to leave it out. Overlays are not drawn; text burned into "
    "the pixels stays."
)


def account(index: pd.DataFrame, images: pd.DataFrame, settings: dict[str, str]) -> str:
    """Count every file once by what became of it, and say what was done to those used.

    Parameters
    ----------
    index : as `ingest.choose` gives it, one row a file.
    images : table `images` of the files used.
    settings : what the run was asked for, in words; shown as a list.

    Returns
    -------
    Markdown. The counts of the first table sum to the number of files.
    """
    used = index["status"] == "ok"
    lists = {
        "By reason": _by_reason(index),
        "By vendor": f"{ABOUT_VENDORS}\n\n{_by_vendor(index, images)}",
        "By transfer syntax": _by_syntax(index),
        "By kind of image": _table(_counts(index, index["kind"].replace("", "no image")), "kind"),
        "Notes": f"{ABOUT_NOTES}\n\n{_notes(index)}",
        "Exams": _exams(index),
    }
    parts = [
        "# What became of every file",
        f"{len(index)} files: {used.sum()} used, {(~used).sum()} not used.",
        "\n".join(f"- {name}: {value}" for name, value in settings.items()),
        *(f"## {title}\n\n{text}" for title, text in lists.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _by_reason(index: pd.DataFrame) -> str:
    kind = index["reason"].str.split(":").str[0].where(index["reason"] != "", "used")
    example = index["reason"] + " (" + index["path"] + ")"
    example = example.where(index["reason"] != "", index["path"])
    rows = [
        {"what": name, "files": len(group), "for example": group.iloc[0]}
        for name, group in example.groupby(kind)
    ]
    rows.sort(key=lambda row: (row["what"] != "used", -row["files"], row["what"]))
    rows.append({"what": "all", "files": len(index), "for example": ""})
    return _markdown(rows)


def _by_vendor(index: pd.DataFrame, images: pd.DataFrame) -> str:
    what = index.set_index("image_id")[["manufacturer", "model", "software"]].fillna("")
    done = images.join(what, on="image_id")
    rows = []
    for (maker, model), group in index.fillna({"manufacturer": "", "model": ""}).groupby(
        ["manufacturer", "model"]
    ):
        mine = done[(done["manufacturer"] == maker) & (done["model"] == model)]
        spacing = mine["spacing_mm"].dropna()
        windows = mine["window"].str.split().str[0].value_counts().sort_index()
        rows.append(
            {
                "manufacturer": maker or "not given",
                "model": model,
                "files": len(group),
                "used": len(mine),
                "window": ", ".join(f"{kind} {count}" for kind, count in windows.items()),
                "inverted": int(mine["inverted"].sum()),
                "mirrored": int(mine["flipped"].sum()),
                "spacing_mm": f"{spacing.min():.3g} to {spacing.max():.3g}" if len(spacing) else "",
                "without spacing": int(mine["spacing_mm"].isna().sum()),
            }
        )
    return _markdown(rows)


def _by_syntax(index: pd.DataFrame) -> str:
    name = index["transfer_syntax"].map(lambda uid: TRANSFER_SYNTAXES.get(uid, uid))
    return _table(_counts(index, name.fillna("none read")), "transfer syntax")


def _notes(index: pd.DataFrame) -> str:
    several = index.assign(note=index["notes"].str.split("; ")).explode("note")
    several = several[several["note"].fillna("") != ""]
    several["note"] = several["note"].str.split(":").str[0].str.replace(r"\d+", "N", regex=True)
    return _table(_counts(several, several["note"]), "note") if len(several) else "None."


def _exams(index: pd.DataFrame) -> str:
    used = index[index["status"] == "ok"]
    views = used.groupby(EXAM)["n_views"].first()
    rows = [
        {"views of four": n, "exams": int((views == n).sum()), "kept": "yes", "complete": _yes(n)}
        for n in range(N_VIEWS, 0, -1)
    ]
    left = index[index["reason"].str.startswith("exam:")]
    if len(left):
        refused = left.groupby(EXAM)["n_views"].first().value_counts().sort_index(ascending=False)
        rows += [
            {"views of four": n, "exams": count, "kept": "no", "complete": _yes(n)}
            for n, count in refused.items()
        ]
    return _markdown(rows)


def _yes(n_views: int) -> str:
    return "yes" if n_views == N_VIEWS else "no"


def _counts(index: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    used = index["status"] == "ok"
    return pd.DataFrame({"files": used.groupby(by).size(), "used": used.groupby(by).sum()})


def _table(counts: pd.DataFrame, name: str) -> str:
    counts = counts.sort_values("files", ascending=False, kind="stable")
    return _markdown([{name: key, **row} for key, row in counts.to_dict("index").items()])


def _markdown(rows: list[dict]) -> str:
    """A table of Markdown; bars in a cell would end it."""
    head = list(rows[0]) if rows else ["nothing"]
    lines = [head, ["---"] * len(head)]
    lines += [[str(cell).replace("|", "\\|") for cell in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
