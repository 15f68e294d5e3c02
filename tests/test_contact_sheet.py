"""The picture of an attack: what stands where, and by how much changes are amplified."""

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageFont

from pipeline.contact_sheet import (
    GAP,
    THUMB,
    Crafted,
    Row,
    amplification,
    around_grey,
    contact_sheet,
    perturbation,
    wrapped,
)
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import SCHEMA
from pipeline.sources import open_source, read_spec
from stages.contact_sheet import Picture, run


def flat(colour, size=(16, 16)):
    return Image.new("RGB", size, colour)


def row(source=(100, 100, 100), crafted=(110, 90, 100)):
    variants = (Crafted(flat(crafted), ("cosine 0.9",)), Crafted(flat(source), ("cosine 0.1",)))
    return Row(flat(source), ("a",), variants, flat((0, 0, 255)), ("target",))


def test_amplification_by_hand():
    """A change of 0.1 fits four times into half the range, of 0.3 once, and none needs no zoom."""
    assert amplification([np.full((4, 4, 3), 0.1)]) == 4
    assert amplification([np.full((4, 4, 3), -0.3)]) == 1
    assert amplification([np.zeros((4, 4, 3))]) == 1


def test_changes_are_drawn_around_grey():
    change = np.array([[[0.0, 0.1, -0.25]]])
    np.testing.assert_array_equal(np.asarray(around_grey(change, factor=2)), [[[128, 178, 0]]])


def test_a_perturbation_is_the_difference_at_the_crafted_size():
    change = perturbation(flat((100, 100, 100), (32, 48)), flat((151, 100, 49)))
    assert change.shape == (16, 16, 3)
    np.testing.assert_allclose(change[0, 0], [0.2, 0.0, -0.2], atol=1e-6)


def test_every_picture_stands_in_its_column():
    sheet = contact_sheet([row(), row()], variant_names=["smooth", "patchy"], title=["t", "u"])
    pixels = np.asarray(sheet)
    assert sheet.width == GAP + 6 * (THUMB + GAP)
    middle = [pixels[:, GAP + c * (THUMB + GAP) + THUMB // 2] for c in range(6)]
    wanted = [(100, 100, 100), (110, 90, 100), None, (100, 100, 100), (128, 128, 128), (0, 0, 255)]
    for column, colour in zip(middle, wanted, strict=True):
        if colour is not None:
            assert (column == colour).all(axis=1).sum() == 2 * THUMB


def test_rows_of_another_form_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([], variant_names=["a"], title=["t"])
    with pytest.raises(ValueError, match="must show 1 variants, got 2"):
        contact_sheet([row()], variant_names=["a"], title=["t"])


def picture(root, name, *, pairs=None):
    folder = root / name
    folder.mkdir()
    n = 5
    for i in range(n):
        flat((10 * i, 0, 0)).save(folder / f"{i}.png")
    rows = [(i, f"{i}.png", 0, f"{name} {i}", None, None) for i in range(n)]
    index = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    if pairs is not None:
        sources, targets = pairs
        index = index.with_columns(
            source_row=pl.Series(sources),
            target_row=pl.Series(targets),
            surrogate=pl.lit("toy"),
            steps=250,
            cosine=pl.lit(0.5),
            objective=pl.lit(0.5),
        )
    source = open_source(read_spec(name, {"path": str(folder)}))
    return Picture(name, index, source, ImageParams(), np.linspace(0, 1, n))


def test_the_stage_shows_pairs_spread_evenly(tmp_path):
    pairs = ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0])
    ood, bank = picture(tmp_path, "greek"), picture(tmp_path, "capitals")
    left, right = (picture(tmp_path, name, pairs=pairs) for name in ("smooth", "patchy"))
    sheet = run(ood, bank, [left, right], rows=3)
    assert sheet.height > 3 * THUMB
    again = run(ood, bank, [left, right], rows=3)
    assert sheet.tobytes() == again.tobytes()

    other = picture(tmp_path, "other", pairs=([0, 1, 2, 4, 3], [4, 3, 2, 1, 0]))
    with pytest.raises(ValueError, match="smooth and other must share their pairs"):
        run(ood, bank, [left, other], rows=3)


def test_a_long_name_goes_on_in_a_second_line():
    """Cut, cyrillic capital letter shcha and sha read the same."""
    font = ImageFont.load_default(12)

    lines = wrapped(["cyrillic capital letter shcha", "1-NN 0.9", "w" * 60], font)

    assert " ".join(lines[:2]) == "cyrillic capital letter shcha"
    assert lines[2] == "1-NN 0.9"
    assert lines[3].endswith("…")
    assert all(font.getlength(line) <= THUMB for line in lines)
