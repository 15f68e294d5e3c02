"""Logits of the bank by a head, trained or zero-shot, computed when a pass asks for them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from pipeline.detectors.rows import ChangedRows, Rows
from pipeline.detectors.zero_shot import zero_shot_logits
from pipeline.training.heads import Probe


@dataclass(frozen=True)
class ZeroShot:
    """CLIP's own scaled cosines as a head.

    Attributes:
        text: Arrays of the text side.
        logit_scale: CLIP's multiplier; None refuses with the reason.
    """

    text: Mapping[str, np.ndarray]
    logit_scale: float | None

    def logits(self, features: Float[np.ndarray, "n d"]) -> Float32[np.ndarray, "n c"]:
        """See `zero_shot_logits`."""
        rows = features.astype(np.float32, copy=False)
        return zero_shot_logits(rows, self.text, logit_scale=self.logit_scale)


Head = Probe | ZeroShot


def logits_of(features: Float[Rows, "n d"], head: Head) -> ChangedRows:
    """The logits of the rows, computed when they are asked for."""

    def change(block: np.ndarray, start: int) -> np.ndarray:
        try:
            return head.logits(block)
        except ValueError as error:
            error.add_note(f"rows are counted from row {start} of the bank")
            raise

    return ChangedRows(features, change, head.logits(features[:1]).shape[1])
