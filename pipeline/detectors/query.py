"""What a score may look at: a block of features, the detector, and the bank behind it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int, Int64

from pipeline.detectors.detector import Detector
from pipeline.detectors.neighbours import Neighbours, Shards, nearest_in_shards
from pipeline.detectors.zero_shot import ZERO_SHOT, joint_embeddings, scaled_cosines
from pipeline.geometry import unit_norm
from pipeline.training.heads import Probe


@dataclass(frozen=True)
class Bank:
    """The ID training features, read shard by shard whenever they are needed."""

    labels: Int[np.ndarray, " m"]
    shards: Callable[[], Shards]

    def unit_shards(self, rows: Int64[np.ndarray, " s"], weights: np.ndarray | None) -> Shards:
        """The chosen rows (ascending), scaled to norm 1 and then by their weights, renumbered."""
        done = 0
        for start, features in self.shards():
            stop = start + len(features)
            mine = rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]
            if len(mine):
                chosen = features if len(mine) == len(features) else features[mine - start]
                try:
                    units = unit_norm(chosen, what="bank features")
                except ValueError as error:
                    error.add_note(f"rows are counted in the bank's shard that starts at {start}")
                    raise
                yield done, units if weights is None else units * weights[mine, None]
            done += len(mine)


@dataclass
class Query:
    """Features to score; what several scores share is computed once.

    Attributes:
        features: A block of rows of one store.
        detector: Fitted on the bank of the same backbone.
        bank: The ID training features.
        own_rows: Bank row of each query where the queries are the bank itself, so that no image
            is its own neighbour; None elsewhere.
        deepest: Neighbours to fetch at the first search of the whole bank.
        recalls: What approximate searches say about themselves.
    """

    features: Float32[np.ndarray, "n d"]
    detector: Detector
    bank: Bank
    own_rows: Int64[np.ndarray, " n"] | None = None
    deepest: int = 1
    recalls: list[str] = field(default_factory=list)
    _logits: dict = field(default_factory=dict)
    _neighbours: dict = field(default_factory=dict)

    @cached_property
    def units(self) -> Float32[np.ndarray, "n d"]:
        """Features scaled to norm 1."""
        return unit_norm(self.features, what="query features")

    @cached_property
    def embeddings(self) -> Float32[np.ndarray, "n e"]:
        """Unit vectors in the joint image-text space."""
        text = self.detector.part("text", "text")
        if "projection" not in text:
            return self.units  # the tower's features are joint already
        return joint_embeddings(self.features, text, what="query features")

    @property
    def class_embeddings(self) -> Float32[np.ndarray, "c e"]:
        """Unit vectors of the ID classes."""
        return self.detector.part("text", "text")["class_embeddings"]

    def logits(self, head: str) -> Float32[np.ndarray, "n c"]:
        """Logits of a head of the detector, or of `ZERO_SHOT`."""
        if head not in self._logits:
            if head == ZERO_SHOT:
                text = self.detector.part("text", "text")
                self._logits[head] = scaled_cosines(
                    self.embeddings,
                    text,
                    logit_scale=self.detector.facts["text/text"]["logit_scale"],
                )
            else:
                self._logits[head] = Probe(**self._head(head)).logits(self.features)
        return self._logits[head]

    def _head(self, name: str) -> dict[str, np.ndarray]:
        return self.detector.part("heads", name)

    def neighbours(
        self,
        k: int,
        *,
        rows: Int64[np.ndarray, " s"] | None = None,
        weights: Float32[np.ndarray, " m"] | None = None,
        engine: str = "auto",
    ) -> Neighbours:
        """The k nearest bank rows by cosine, or by cosine times a weight of the bank row.

        Args:
            k: How many.
            rows: Bank rows to compare with, ascending; None for all. The answer counts within
                them.
            weights: One factor for each row of the whole bank.
            engine: See `nearest`.
        """
        whole = rows is None and weights is None
        if whole:
            found, size = self._neighbours.get(engine), len(self.bank.labels)
            if found is None or found.rows.shape[1] < k:
                found = self._search(
                    np.arange(size), None, max(k, min(self.deepest, size - 1)), engine
                )
                self._neighbours[engine] = found
            return Neighbours(found.similarities[:, :k], found.rows[:, :k], found.recall)
        chosen = np.arange(len(self.bank.labels)) if rows is None else rows
        return self._search(chosen, weights, k, engine)

    def _search(
        self, rows: np.ndarray, weights: np.ndarray | None, k: int, engine: str
    ) -> Neighbours:
        own = None
        if self.own_rows is not None:
            place = np.minimum(np.searchsorted(rows, self.own_rows), len(rows) - 1)
            own = np.where(rows[place] == self.own_rows, place, -1)
        shards = self.bank.unit_shards(rows, weights)
        found = nearest_in_shards(self.units, shards, k=k, exclude=own, engine=engine)
        if found.recall is not None:
            self.recalls.append(f"{engine} index: recall@{k} {found.recall:.4f}")
        return found


def sample_rows(
    labels: Int[np.ndarray, " m"], *, alpha: float, balanced: bool, seed: int
) -> Int64[np.ndarray, " s"] | None:
    """Rows of a random share of the bank, ascending; None for the whole bank.

    Args:
        labels: Of the bank.
        alpha: Share to keep, at least one image (of each class).
        balanced: Keep equally many images of each class: alpha m / c, or as many as the smallest
            class has.
        seed: Of the draw.

    Raises:
        ValueError: If alpha is not in (0, 1] or a balanced sample meets unlabelled images.
    """
    if not 0 < alpha <= 1:
        raise ValueError(f"alpha must be in (0, 1], got {alpha}")
    if alpha == 1 and not balanced:
        return None
    rng = np.random.default_rng(seed)
    if not balanced:
        keep = max(1, round(alpha * len(labels)))
        return np.sort(rng.choice(len(labels), keep, replace=False))
    classes, counts = np.unique(labels, return_counts=True)
    if classes[0] < 0:
        raise ValueError(
            "a class-balanced bank needs labels, but the bank has unlabelled images; "
            "set balanced: false"
        )
    each = max(1, min(int(alpha * len(labels) / len(classes)), int(counts.min())))
    chosen = [rng.choice(np.flatnonzero(labels == c), each, replace=False) for c in classes]
    return np.sort(np.concatenate(chosen))
