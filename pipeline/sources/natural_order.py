"""Names in the order of the numbers in them, as people count: part_2 before part_10."""

import re


def by_number(name: str) -> list[str | int]:
    """Return the key to sort a name by: its digits as numbers, what is between them as text.

    Digits are those that make numbers in any script; a raised ² is text, as in a name of an area.
    """
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", name)]
