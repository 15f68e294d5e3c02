"""Which of several arrays in a file is meant."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.sources.array_rows import ImportedFileError, NoSuchArrayError

# A name in the file; several: one of these and no other; None: one of the usual or the only one.
Column = str | tuple[str, ...] | None

SHOWN = 5


def choose(path: Path, held: Sequence[str], column: Column, names: tuple[str, ...]) -> str:
    """Return the name of the array that is wanted.

    Args:
        path: The file, for errors.
        held: What the file calls its arrays.
        column: What is asked for.
        names: The usual names, in order.

    Raises:
        ImportedFileError: If none or several could be; lists them.
    """
    if column is not None:
        wanted = (column,) if isinstance(column, str) else column
        given = [name for name in wanted if name in held]
        if not given:
            asked = "', '".join(wanted)
            raise NoSuchArrayError(f"'{path}' has no '{asked}'; it holds {_listed(held)}")
        if len(given) > 1:
            raise ImportedFileError(
                f"'{path}' holds {' and '.join(given)}; name the right one in `columns`"
            )
        return given[0]
    found = [name for name in names if name in held] or (held if len(held) == 1 else [])
    if not found:
        many = (
            ". Of a file with one array for each image make one matrix [rows width] and a list of "
            "labels in the same order"
        )
        raise ImportedFileError(
            f"'{path}' holds {_listed(held)}; none of them is called {' or '.join(names)}: "
            f"name the right one in `columns`{many if len(held) > SHOWN else ''}"
        )
    return found[0]


def _listed(names: Sequence[str]) -> str:
    """All names, or some and their number: a file may hold one for each of a million images."""
    if len(names) <= SHOWN:
        return ", ".join(names) or "nothing"
    return f"{', '.join(names[:SHOWN])}, … ({len(names):,} in all)"
