"""The same image twice: by content hash, and nearly, by the cosine of its features.

A copy of a test or OOD image inside the ID training bank decides its nearest-neighbour score;
copies within a set make its rows depend on each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from jaxtyping import Float32

from pipeline.detectors.faiss_search import Shards
from pipeline.detectors.neighbours import nearest_in_shards
from pipeline.geometry import unit_norm

Role = Literal["ID train", "ID test", "OOD"]
NO_FILES = "imported features have no files"


@dataclass(frozen=True)
class ImageSetRows:
    """One data set: its index, and its features where they are at hand.

    Attributes:
        name: The data set's name.
        role: What the benchmark uses it for.
        index: Its extractable rows.
        excluded: Images left out as unreadable.
        shards: Opens its features anew, as (first row, float32 rows); None without features.
        files: Whether there are image files; imported features have none.
    """

    name: str
    role: Role
    index: pl.DataFrame
    excluded: int = 0
    shards: Callable[[], Shards] | None = None
    files: bool = True


class Pair(NamedTuple):
    """Two images taken for the same; cosine 1 and ``exact`` where their files are equal."""

    row: int
    other_row: int
    cosine: float
    exact: bool


@dataclass(frozen=True)
class Overlap:
    """How many images of ``name`` have a copy in ``other``; the same name twice: within the set.

    Attributes:
        name: The set whose images are counted.
        other: The set searched for copies of them.
        exact: Images whose file is byte for byte in the other set; None where not hashed.
        near: Images with a cosine above the threshold, exact copies included; None where not
            searched.
        reason: Why a number is missing.
        pairs: The worst pairs, most alike first.
    """

    name: str
    other: str
    exact: int | None
    near: int | None
    reason: str | None
    pairs: list[Pair]


def exact_copies(one: pl.DataFrame, other: pl.DataFrame, *, within: bool) -> list[Pair]:
    """For each image of one index, its first copy in the other by content hash.

    Within one set the first of several equal files counts as the original.
    """
    hashed = other.filter(pl.col("sha256").is_not_null())
    first = hashed.group_by("sha256").agg(pl.col("row").min().alias("other_row"))
    joined = one.select("row", "sha256").join(first, on="sha256", how="inner").sort("row")
    if within:
        joined = joined.filter(pl.col("row") != pl.col("other_row"))
    return [
        Pair(row, other_row, 1.0, exact=True)
        for row, other_row in joined.select("row", "other_row").iter_rows()
    ]


def near_copies(
    queries: Float32[np.ndarray, "n d"],
    shards: Shards,
    *,
    threshold: float,
    within: bool,
) -> list[Pair]:
    """For each query above the threshold, its most similar row of the other set.

    Args:
        queries: Features of one set.
        shards: Features of the other, as (first row, rows); any norm.
        threshold: Cosine from which two images count as nearly the same.
        within: The two sets are one: a row is not compared with itself.
    """
    if within and len(queries) < 2:
        return []
    unit = ((start, unit_norm(rows)) for start, rows in shards)
    found = nearest_in_shards(
        unit_norm(queries), unit, k=1, exclude=np.arange(len(queries)) if within else None
    )
    cosines, rows = found.similarities[:, 0], found.rows[:, 0]
    return [
        Pair(int(row), int(rows[row]), min(float(cosines[row]), 1.0), exact=False)
        for row in np.flatnonzero(cosines >= threshold)
    ]


def find_overlap(
    one: ImageSetRows, other: ImageSetRows, *, threshold: float, largest: int, shown: int
) -> Overlap:
    """Compare one set with another, or with itself.

    Args:
        one: The set whose images are counted.
        other: The set searched for copies.
        threshold: Cosine of near duplicates.
        largest: Search near duplicates for at most so many images times images, in millions.
        shown: How many pairs to keep.

    Raises:
        ValueError: If the rows of features are not those of the index.
    """
    within = one.name == other.name
    hashed = not (one.index["sha256"].has_nulls() or other.index["sha256"].has_nulls())
    exact = exact_copies(one.index, other.index, within=within) if hashed else []
    near: list[Pair] | None = None
    millions = len(one.index) * len(other.index) / 1e6
    reasons = []
    if not hashed:
        no_files = not (one.files and other.files)
        reasons = [NO_FILES if no_files else "no content hashes (index.hash is false)"]
    if one.shards is None or other.shards is None:
        reasons.append("no features given")
    elif millions > largest:
        reasons.append(
            f"{millions:,.0f} million pairs are more than duplicates.largest = {largest:,}; raise "
            "it to search them"
        )
    else:
        queries = np.concatenate([rows for _, rows in one.shards()])
        if len(queries) != len(one.index):
            raise ValueError(
                f"'{one.name}' must have one row of features for each image of its index, got "
                f"{len(queries):,} rows and {len(one.index):,} images; extract its features again"
            )
        near = near_copies(queries, other.shards(), threshold=threshold, within=within)
    return Overlap(
        one.name,
        other.name,
        len(exact) if hashed else None,
        None if near is None else len({pair.row for pair in near} | {pair.row for pair in exact}),
        "; ".join(reasons) or None,
        _worst(exact, near or [], within=within)[:shown],
    )


def _worst(exact: list[Pair], near: list[Pair], *, within: bool) -> list[Pair]:
    """One pair an image, exact copies first; within a set each couple once."""
    known = {pair.row for pair in exact}
    every = exact + [pair for pair in near if pair.row not in known]
    if within:
        couples = {frozenset((pair.row, pair.other_row)): pair for pair in reversed(every)}
        every = list(couples.values())
    return sorted(every, key=lambda pair: (-pair.exact, -pair.cosine, pair.row))
