"""The score loop: blocks of features by every method and classifier that applies.

Features come block by block: shards of a store, or photos as they are encoded. Neighbours are
searched for a whole block, so that the bank is read once for it; everything else is computed piece
by piece. The bank is opened when a method or classifier first needs it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Int, Int64

from pipeline.classifier_names import CLASSIFIERS
from pipeline.detectors.bank import Bank
from pipeline.detectors.detector import Detector
from pipeline.detectors.knn_classifier import NEIGHBOURS
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.query import Query
from pipeline.detectors.search import Search
from pipeline.scores import NEEDS, asked_neighbours, compute, method_names
from pipeline.scoring.classifiers import predict
from pipeline.scoring.small_bank import within_bank

_PIECE = 4096  # queries scored at a time: the temporaries of a score are arrays of this many rows

Values = dict[str, np.ndarray]
Parts = dict[str, list[np.ndarray]]


class Scored(NamedTuple):
    """One dataset by every method and classifier.

    Attributes:
        scores: By method, higher = more in-distribution.
        predictions: By classifier.
        labels: Of the images, -1 where there is none.
        not_applicable: Methods that do not apply, with the reason.
        no_classifier: Classifiers that do not, with the reason.
        recalls: By method whose index is approximate: the neighbours ``k`` that it was asked for,
            and the ``share`` of the true ones that it found.
    """

    scores: Values
    predictions: Values
    labels: np.ndarray
    not_applicable: dict[str, str]
    no_classifier: dict[str, str]
    recalls: dict[str, dict[str, int | float]]


@dataclass
class Scoring:
    """Scores of the blocks that were added so far.

    Attributes:
        detector: Fitted on the bank.
        bank: What neighbours are searched in.
        methods: Section ``methods``, checked by `pipeline.scores.check_methods`.
        what: Is scored, for errors.
        no_classifier: Classifiers that are not asked, with the reason.
        own: Whether the rows are the bank itself, so that no image is its own neighbour.
        told: What approximate searches say about themselves, and for what the bank is too small.
    """

    detector: Detector
    bank: Bank
    methods: Mapping[str, Any]
    what: str
    no_classifier: dict[str, str] = field(default_factory=dict)
    own: bool = False
    told: list[str] = field(default_factory=list)
    _scores: Parts = field(default_factory=dict)
    _predictions: Parts = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)
    _recalls: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)

    def add(self, start: int, features: Float32[np.ndarray, "n d"]) -> None:
        """Score and classify one block.

        Args:
            start: Its first row.
            features: In the form that the detector was fitted on.

        Raises:
            ValueError: If a method or classifier cannot; a note says which, and for which rows.
        """
        own: Int64[np.ndarray, " n"] | None = None
        if self.own:
            own = np.arange(start, start + len(features))
        search = Search(features, self.bank, own, deepest=self._deepest())
        methods = self._applicable(search)
        for low in range(0, len(features), _PIECE):
            query = Query(features[low : low + _PIECE], self.detector, search, low)
            where = f"rows counted from {start + low}"
            for name, entry in methods.items():
                with _noted(f"while scoring {self.what} by methods.{name}, {where}"):
                    self._score(query, name, entry)
            for name in CLASSIFIERS:
                with _noted(f"while classifying {self.what} by {name}, {where}"):
                    self._classify(query, name)
        last = start + len(features) - 1
        self.told += [f"{told}, rows {start} to {last}" for told in search.recalls]

    def scored(self, labels: Int[np.ndarray, " n"]) -> Scored:
        """Return all rows that were added, with their labels."""
        return Scored(
            {name: np.concatenate(parts) for name, parts in self._scores.items()},
            {name: np.concatenate(parts) for name, parts in self._predictions.items()},
            labels,
            self._reasons,
            self.no_classifier,
            {name: _mean_recall(found) for name, found in sorted(self._recalls.items())},
        )

    def _deepest(self) -> int:
        """Most neighbours that any method or classifier wants, so that one search serves all.

        What the bank does not have counts for nothing: its method is refused when its turn comes.
        """
        others = self.bank.size - self.own
        nearest = [
            k
            for entry in self.methods.values()
            if NEEDS[entry["score"]].neighbours == "nearest"
            for k in asked_neighbours(entry)
        ]
        return max((k for k in (NEIGHBOURS, *nearest) if k <= others), default=1)

    def _applicable(self, search: Search) -> dict[str, Mapping[str, Any]]:
        """The methods that the bank is large enough for; says why others are left out, once."""
        found: dict[str, Mapping[str, Any]] = {}
        for name, entry in self.methods.items():
            with _noted(f"while scoring {self.what} by methods.{name}"):
                fits, reasons = within_bank(search, name, entry)
            if fits is not None:
                found[name] = fits
            new = {column: why for column, why in reasons.items() if column not in self._reasons}
            self.told += [f"{column} is not applicable: {why}" for column, why in new.items()]
            self._reasons |= new
        return found

    def _score(self, query: Query, name: str, entry: Mapping[str, Any]) -> None:
        """Add the scores of one piece by one method, or why there are none."""
        try:
            for column, values in compute(query, name, entry).items():
                self._scores.setdefault(column, []).append(values)
        except NotApplicableError as reason:
            self._reasons |= dict.fromkeys(method_names(name, entry), str(reason))
        for k, share in query.recalls:
            for column in method_names(name, entry):
                self._recalls.setdefault(column, []).append((len(query.features), k, share))
        query.recalls.clear()

    def _classify(self, query: Query, name: str) -> None:
        """Add the classes of one piece by one classifier, or why there are none."""
        if name not in self.no_classifier:
            try:
                classes = predict(query, name)
                self._predictions.setdefault(name, []).append(classes)
            except NotApplicableError as reason:
                self.no_classifier[name] = str(reason)


def _mean_recall(found: list[tuple[int, int, float]]) -> dict[str, int | float]:
    """Mean over pieces, by their rows."""
    rows, ks, shares = zip(*found, strict=True)
    return {"k": max(ks), "share": round(float(np.average(shares, weights=rows)), 6)}


@contextmanager
def _noted(where: str) -> Iterator[None]:
    """Say where a ValueError arose."""
    try:
        yield
    except ValueError as error:
        error.add_note(where)
        raise
