"""The data sets there are adapters for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mammolab.data.adapters import (
    cbis,
    cmmd,
    csaw,
    embed,
    inbreast,
    mirai_list,
    nyu_list,
    rsna,
    vindr,
)
from mammolab.data.adapters.base import Adapter, Source
from mammolab.data.adapters.rules import check_source
from mammolab.errors import InputError, MissingInput, unknown_name

_MODULES = (rsna, embed, csaw, vindr, cbis, cmmd, inbreast, mirai_list, nyu_list)
ADAPTERS: Mapping[str, Adapter] = {one.ADAPTER.card.name: one.ADAPTER for one in _MODULES}


def detect(root: str | Path) -> list[str]:
    """Names of the data sets whose files and columns `root` holds."""
    return [name for name in ADAPTERS if _is(name, Path(root))]


def _is(name: str, root: Path) -> bool:
    try:
        return ADAPTERS[name].detect(root)
    except InputError:  # a table of that name which cannot be read
        return False


def adapt(name: str, root: str | Path, options: Mapping[str, str] | None = None) -> Source:
    """Read a data set as published, check the tables made of it, and return them.

    Parameters
    ----------
    name : a key of `ADAPTERS`.
    root : the folder the data set was unpacked to.
    options : of this adapter; see `Adapter.options`.

    Raises
    ------
    MissingInput, InputError : no such data set, folder or option, files that are not those of the
        data set, or tables that break what is known of it.
    """
    if name not in ADAPTERS:
        raise unknown_name("data set", name, ADAPTERS)
    root, adapter = Path(root), ADAPTERS[name]
    if not root.is_dir():
        raise MissingInput(f"{root}: there is no such folder.")
    for option in options or {}:
        if option not in adapter.options:
            raise unknown_name(f"option of {name}", option, adapter.options)
    if not adapter.detect(root):
        others = detect(root)
        hint = f"; it looks like {', '.join(others)}" if others else ""
        raise InputError(f"{root} is not {adapter.card.title}: it must hold {adapter.files}{hint}.")
    return check_source(adapter.adapt(root, **(options or {})))
