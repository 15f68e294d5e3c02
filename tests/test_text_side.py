"""A text store belongs to a bank of its backbone and of the width that it takes."""

import numpy as np
import pytest

from pipeline.training.text_side import check_text_side

BANK = {"backbone": "tiny", "width": 6}
TEXT = {"backbone": "tiny", "applicable": True}


def arrays(projection=None, *, width=4):
    made = {"class_embeddings": np.ones((3, width), np.float32)}
    return made if projection is None else made | {"projection": np.ones(projection, np.float32)}


def test_the_width_is_that_before_the_projection_or_that_of_joint_features():
    check_text_side(BANK, TEXT, arrays((6, 4)))
    check_text_side(BANK, TEXT, arrays(width=6))
    for made, width in ((arrays((4, 6), width=6), 4), (arrays(), 4)):
        with pytest.raises(
            ValueError, match=f"'tiny' must .* width 6, got width {width}; run `dvc"
        ):
            check_text_side(BANK, TEXT, made)


def test_texts_of_another_backbone_are_refused_also_without_a_text_tower():
    check_text_side(BANK, TEXT | {"applicable": False}, {})
    for applicable in (True, False):
        other = {"backbone": "big", "applicable": applicable}
        with pytest.raises(ValueError, match="one backbone, got 'tiny' and 'big'; run `dvc repro`"):
            check_text_side(BANK, other, arrays(width=6) if applicable else {})
