"""Neighbours of one shard of queries: a search reads the bank once, whichever piece asks first."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64

from pipeline.detectors.bank import Bank, Sample
from pipeline.detectors.neighbours import APPROXIMATE, Neighbours, nearest_in_shards
from pipeline.geometry import unit_norm

WHOLE = Sample()


@dataclass(frozen=True)
class Weights:
    """One factor for each row of the whole bank; two of one name are the same."""

    name: str
    factors: Float32[np.ndarray, " m"] = field(compare=False)


@dataclass
class Search:
    """Neighbours of all queries of a shard, kept for its pieces.

    Attributes:
        features: Of the shard.
        bank: What to compare with.
        own_rows: Bank row of each query where the queries are the bank itself, so that no image
            is its own neighbour; None elsewhere.
        deepest: Neighbours to find at the first exact search of the whole bank, for all that ask
            later. What an approximate index finds depends on how many it is asked for, so that it
            is asked for no more than a method wants: its scores are those it has alone.
        recalls: What approximate searches say about themselves.
    """

    features: Float32[np.ndarray, "n d"]
    bank: Bank
    own_rows: Int64[np.ndarray, " n"] | None = None
    deepest: int = 1
    recalls: list[str] = field(default_factory=list)
    _found: dict = field(default_factory=dict)

    @property
    def others(self) -> int:
        """How many bank rows each query can be compared with."""
        return self.bank.size - (self.own_rows is not None)

    def nearest(
        self, k: int, *, sample: Sample = WHOLE, weights: Weights | None = None, engine: str
    ) -> Neighbours:
        """At least k neighbours of each query; rows count within the sample.

        Raises:
            ValueError: If k is below 1 or the sample has fewer rows besides the query.
        """
        sample = WHOLE if sample.whole else sample
        exact = engine not in APPROXIMATE
        if exact and sample.whole and weights is None and k >= 1:
            k = max(k, self.deepest)
        key = (sample, weights, engine, k)
        if key not in self._found:
            self._found[key] = self._search(*key)
        return self._found[key]

    def _search(self, sample: Sample, weights: Weights | None, engine: str, k: int) -> Neighbours:
        rows = self.bank.rows(sample)
        own = None
        if self.own_rows is not None:
            place = np.minimum(np.searchsorted(rows, self.own_rows), len(rows) - 1)
            own = np.where(rows[place] == self.own_rows, place, -1)
        found = nearest_in_shards(
            unit_norm(self.features, what="query features"),
            self.bank.unit_shards(rows, None if weights is None else weights.factors),
            k=k,
            exclude=own,
            engine=engine,
            size=len(rows),
        )
        if found.recall is not None:
            self.recalls.append(f"{engine} index: recall@{k} {found.recall:.4f}")
        return found
