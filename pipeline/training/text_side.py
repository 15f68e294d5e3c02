"""Whether a text store belongs to a bank: one backbone, and features of the width it takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def check_text_side(
    bank: Mapping[str, Any], text: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Refuse texts of another backbone, or for features of another width.

    Args:
        bank: What the bank's store says of itself.
        text: What the text store says of itself.
        arrays: Of the text store: class_embeddings [c e], and projection [d e] unless the features
            are in the joint space already; none without a text tower.

    Raises:
        ValueError: Naming both backbones or both widths.
    """
    if bank["backbone"] != text["backbone"]:
        raise ValueError(
            f"bank and text must be of one backbone, got '{bank['backbone']}' and "
            f"'{text['backbone']}'; run `dvc repro`"
        )
    if not text["applicable"]:
        return
    takes = arrays.get("projection", arrays["class_embeddings"].T).shape[0]
    if takes != bank["width"]:
        raise ValueError(
            f"the text side of '{text['backbone']}' must take features of the bank's width "
            f"{bank['width']}, got width {takes}; run `dvc repro`"
        )
