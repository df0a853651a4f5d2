"""What can be learnt from a chapter's notebook without running it: code and parameters."""

import ast
import json
from pathlib import Path

from mammolab.errors import InputError

Value = bool | int | float | str | list


def code_cells(path: Path) -> list[str]:
    """Return the source of each code cell of a notebook, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def declared_parameters(path: Path) -> dict[str, Value]:
    """Read the names and defaults in a notebook's cell tagged `parameters`.

    Parameters
    ----------
    path : Path
        A notebook.

    Returns
    -------
    dict of str to bool, int, float, str or list
        Defaults by name, in the order of the cell.

    Raises
    ------
    InputError
        When the notebook has no such cell, or the cell holds more than plain assignments of
        literals; the message names the notebook and the line.
    """
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", []):
            break
    else:
        raise InputError(f"{path.name} has no code cell tagged 'parameters'")
    declared = {}
    for statement in ast.parse("".join(cell["source"])).body:
        try:
            (target,) = statement.targets
            value = ast.literal_eval(statement.value)
        except (AttributeError, ValueError):
            value = None
        if not isinstance(value, Value):
            raise InputError(
                f"the parameters cell of {path.name} may only hold `name = value` with a bool, "
                f"int, float, str or list, not `{ast.unparse(statement)}`"
            )
        declared[target.id] = value
    return declared
