"""A table as titled rows of text, and its two plain forms: Markdown and aligned terminal text."""

import re
from dataclasses import dataclass

from pipeline.percent import NOT_APPLICABLE

NUMBER = re.compile(r"[+\-−≥≤]* ?\d[\d.,]*(e[+\-−]?\d+)?(?!\w)")  # a hash may begin with a digit


@dataclass(frozen=True)
class Table:
    """Cells as they are read; numbers are already formatted.

    The first column names the row. The note stands below the table and says unit and direction.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse ragged rows."""
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"a row of table '{self.title}' must have {len(self.header)} cells, "
                    f"got {len(row)}: {row!r}"
                )


def markdown(table: Table, *, level: int = 2) -> str:
    """Write a table as GitHub Markdown with its title as a heading; level 0 leaves it out."""
    columns = range(1, len(table.header))
    sides = [":--", *("--:" if _is_numeric(table, column) else ":--" for column in columns)]
    lines = [f"{'#' * level} {table.title}", ""] if level else []
    lines += [
        _markdown_row(table.header),
        f"|{'|'.join(sides)}|",
        *(_markdown_row(row) for row in table.rows),
    ]
    if table.note:
        lines += ["", table.note]
    return "\n".join(lines) + "\n"


def _is_numeric(table: Table, column: int) -> bool:
    """Tell whether a column is read by its digits: numbers, or nothing where there is none."""
    cells = [row[column] for row in table.rows]
    return all(NUMBER.match(cell) or cell in ("", NOT_APPLICABLE) for cell in cells)


def _markdown_row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return "| " + " | ".join(escaped) + " |"


def plain(table: Table, *, width: int = 100) -> str:
    """Write a table aligned for a terminal; too many columns go on in a further block.

    Args:
        table: What to write.
        width: The most characters in a line; a single column wider than this is not cut.
    """
    widths = [
        max(len(row[column]) for row in (table.header, *table.rows))
        for column in range(len(table.header))
    ]
    blocks: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        used = widths[0] + sum(2 + widths[other] for other in [*blocks[-1], column])
        if blocks[-1] and used > width:
            blocks.append([])
        blocks[-1].append(column)
    lines = [table.title]
    for block in blocks:
        lines.append("")
        lines.extend(_aligned(row, block, widths) for row in (table.header, *table.rows))
    if table.note:
        lines += ["", *_wrapped(table.note, width)]
    return "\n".join(lines) + "\n"


def _aligned(row: tuple[str, ...], columns: list[int], widths: list[int]) -> str:
    cells = (row[column].rjust(widths[column]) for column in columns)
    return "  ".join((row[0].ljust(widths[0]), *cells)).rstrip()


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
