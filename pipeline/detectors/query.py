"""What a score may look at: a piece of features, the detector, and neighbours in the bank."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float32

from pipeline.classifier_names import ZERO_SHOT
from pipeline.detectors.bank import Sample
from pipeline.detectors.detector import Detector
from pipeline.detectors.neighbours import Neighbours
from pipeline.detectors.not_applicable import NotApplicableError
from pipeline.detectors.search import WHOLE, Search, Weights
from pipeline.detectors.zero_shot import joint_embeddings, scaled_cosines
from pipeline.training.heads import Probe


@dataclass
class Query:
    """Features to score; what several scores share is computed once.

    Attributes:
        features: A piece of a shard of one store.
        detector: Fitted on the bank of the same backbone.
        search: Of the whole shard.
        start: First row of the piece in the shard.
        recalls: What was found by approximate indexes so far: neighbours asked for, and the share
            of the true ones among them.
    """

    features: Float32[np.ndarray, "n d"]
    detector: Detector
    search: Search
    start: int = 0
    recalls: list[tuple[int, float]] = field(default_factory=list)
    _logits: dict = field(default_factory=dict)

    @cached_property
    def embeddings(self) -> Float32[np.ndarray, "n e"]:
        """Unit vectors in the joint image-text space."""
        return joint_embeddings(
            self.features, self.detector.part("text", "text"), what="query features"
        )

    @property
    def class_embeddings(self) -> Float32[np.ndarray, "c e"]:
        """Unit vectors of the ID classes."""
        return self.detector.part("text", "text")["class_embeddings"]

    def logits(self, head: str) -> Float32[np.ndarray, "n c"]:
        """Logits of a head of the detector, or of `ZERO_SHOT`."""
        if head not in self._logits:
            if head == ZERO_SHOT:
                text = self.detector.part("text", "text")
                scale = self.detector.facts["text/text"]["logit_scale"]
                self._logits[head] = scaled_cosines(self.embeddings, text, logit_scale=scale)
            else:
                self._logits[head] = self.linear_head(head).logits(self.features)
        return self._logits[head]

    def linear_head(self, name: str) -> Probe:
        """A head that was trained on features.

        Raises:
            NotApplicableError: For `ZERO_SHOT`, or if this backbone has no such head.
            ValueError: If the name is unknown.
        """
        if name == ZERO_SHOT:
            raise NotApplicableError(f"{ZERO_SHOT} is no linear head on features")
        return Probe(**self.detector.part("heads", name))

    def neighbours(
        self,
        k: int,
        *,
        sample: Sample = WHOLE,
        weights: Weights | None = None,
        engine: str = "auto",
    ) -> Neighbours:
        """The k nearest bank rows by cosine, or by cosine times a weight of the bank row.

        Args:
            k: How many.
            sample: Bank rows to compare with. The answer counts within them.
            weights: Of the bank rows.
            engine: See `pipeline.detectors.neighbours.nearest`.
        """
        found = self.search.nearest(k, sample=sample, weights=weights, engine=engine)
        if found.recall is not None:
            self.recalls.append((found.similarities.shape[1], found.recall))
        piece = slice(self.start, self.start + len(self.features))
        return Neighbours(found.similarities[piece, :k], found.rows[piece, :k], found.recall)
