"""`mammolab adapt`: a published data set to our tables."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mammolab.errors import InputError


def adapt(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="A name of --list, or auto.")
    ] = None,
    root: Annotated[
        Path | None, typer.Argument(metavar="ROOT", help="Folder the data set was unpacked to.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder: new, empty, or an earlier output.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="Of this data set; see --list. Repeatable."),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List data sets, their files and options, and stop.")
    ] = False,
) -> None:
    """Turn a public data set, as its owners publish it, into the tables of a hospital export.

    No image is copied or decoded: images.csv says whose and which view each file is, and what is
    left out and why; mammolab ingest reads it. What is known of a published table is checked, and
    one that breaks it is refused. Files that a table lists and that are not there are counted.

    \b
    The folder gets:
      DATASHEET.md   what the label means, what cannot be estimated, counts of this copy, licence
      export.json    data set, prevalence, what it lacks, what it refuses (PPV, recall rate and
                     others where the share of cancers is the collection's)
      ehr/patients.csv, ehr/exams.csv, registry/cancers.csv, pathology/reports.csv
      labels.csv     a row a breast: cancer, invasive, what kind of label, split
      images.csv     a row an image: path, breast, view, whether it is used, reason
    A blank cell is unknown, never no. Columns that end in _raw hold the owners' codes.

    \b
    Examples:
      mammolab adapt --list
      mammolab adapt rsna rsna-breast-cancer-detection --out rsna
      mammolab adapt vindr vindr-mammo/1.0.0 --out vindr -p positive_from=5
      mammolab adapt auto CBIS-DDSM --out cbis
      mammolab ingest CBIS-DDSM --out images --film --table cbis/images.csv
    """
    from mammolab.data.adapters.command import adapt_to, listing

    if listed:
        print("\n".join(listing()))
        return
    if dataset is None or root is None or out is None:
        raise InputError(
            "adapt needs a data set, its folder and an output: mammolab adapt DATASET ROOT --out DIR "
            "(the data sets: mammolab adapt --list)"
        )
    adapt_to(dataset, root, out, options or [], partial(print, flush=True))
