"""Ranges of the scores' parameters: a part of their type hints, checked before anything runs."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any


@dataclass(frozen=True)
class Allowed:
    """A rule for values that are of the right type already.

    Attributes:
        words: The end of "must be ...".
        holds: Whether a value keeps it.
    """

    words: str
    holds: Callable[[Any], bool]


Positive = Annotated[float, Allowed("positive and finite", lambda value: 0 < value < math.inf)]
Share = Annotated[float, Allowed("in (0, 1]", lambda value: 0 < value <= 1)]
Fraction = Annotated[float, Allowed("in (0, 1)", lambda value: 0 < value < 1)]
Count = Annotated[int, Allowed("at least 1", lambda value: value >= 1)]
Seed = Annotated[int, Allowed("at least 0", lambda value: value >= 0)]
