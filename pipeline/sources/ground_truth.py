"""Classes of a flat folder, told by a file beside it."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.sources.listing import Entry
from pipeline.sources.spec import SourceError


def told_classes(paths: Sequence[str], labels: Path) -> list[Entry]:
    """Pair files with the classes of a ground truth file.

    Args:
        paths: Files in sorted order.
        labels: "name class" or "name,class …" lines in any order, a header line allowed (as
            Kaggle's LOC_val_solution.csv), names with or without suffix; or one class a line in
            the order of the files (as ILSVRC2012_validation_ground_truth.txt).

    Raises:
        SourceError: If a file has no line, or the number of lines is not that of the files.
    """
    try:
        lines = labels.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the labels file '{labels}' cannot be read ({error})") from error
    rows = [re.split(r"[,\s]+", line.strip()) for line in lines if line.strip()]
    if all(len(row) == 1 for row in rows):
        if len(rows) != len(paths):
            raise SourceError(
                f"'{labels}' must have one line for each of the {len(paths)} images, got "
                f"{len(rows)}"
            )
        return [Entry(path, row[0]) for path, row in zip(paths, rows, strict=True)]
    told = {Path(row[0]).stem: row[1] for row in rows if len(row) > 1}
    if missing := [path for path in paths if Path(path).stem not in told]:
        raise SourceError(
            f"'{labels}' has no line for {len(missing)} of {len(paths)} images, the first is "
            f"'{missing[0]}'"
        )
    return [Entry(path, told[Path(path).stem]) for path in paths]
