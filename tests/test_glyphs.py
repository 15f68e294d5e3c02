import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.index import read_index, write_index
from pipeline.glyph_world.glyph_alphabets import LEFT_OUT, SCRIPTS, character_name, fonts_for
from pipeline.glyph_world.glyph_sets import (
    GROUPS,
    PARTS,
    directory,
    draw_class,
    group_classes,
    stream,
)
from pipeline.glyph_world.glyphs import Distortion, add_noise, character_mask, ink_on_paper, place
from stages.render import RenderParams, run

PLAIN = Distortion(rotation=0.0, scale=(1.0, 1.0), shift=0.0, contrast=(0.8, 0.8), noise=0.0)


def plain(character, *, seed=0, distortion=PLAIN):
    mask = character_mask(character, "DejaVuSans.ttf")
    return place(mask, np.random.default_rng(seed), distortion=distortion)


def test_a_capital_stands_upright_in_the_middle():
    """An undistorted I is a vertical bar about 60 % of the image high, in the central columns."""
    ink = plain("I")

    assert ink[:, 14:18].sum() > 0.95 * ink.sum()
    rows = np.flatnonzero(ink.max(axis=1) > 128)
    assert 17 <= rows[-1] - rows[0] + 1 <= 21
    assert abs(rows.mean() - 15.5) <= 1


def test_rotation_turns_by_the_angle_drawn():
    """The main axis of a turned I leans by the angle that the same stream gives."""
    ink = plain("I", seed=5, distortion=Distortion(scale=(1.0, 1.0), shift=0.0)).astype(float)
    drawn = np.random.default_rng(5).uniform(-25, 25)
    y, x = np.mgrid[:32, :32]
    axis = np.linalg.eigh(np.cov(x.ravel(), y.ravel(), aweights=ink.ravel()))[1][:, 1]

    lean = np.degrees(np.arctan(axis[0] / axis[1]))
    assert abs(drawn) > 5
    assert lean == pytest.approx(-drawn, abs=1.5)  # clockwise, as y points down


def test_scale_bounds_the_height():
    small = plain("I", distortion=Distortion(rotation=0.0, scale=(0.5, 0.5), shift=0.0))
    heights = [np.count_nonzero(ink.max(axis=1) > 100) for ink in (small, plain("I"))]

    assert heights[0] == pytest.approx(heights[1] / 2, abs=1.5)


def test_ink_is_darker_than_paper_by_at_least_the_floor():
    ink = np.zeros((200, 32, 32), dtype=np.uint8)
    ink[:, 8:24, 8:24] = 255
    images = ink_on_paper(ink, np.random.default_rng(0), distortion=Distortion(noise=0.0))

    paper, letter = images[:, 0, 0].astype(int), images[:, 16, 16].astype(int)
    assert (paper >= 178).all()
    assert (paper - letter >= 24).all()


def test_noise_has_the_standard_deviation_asked_for():
    grey = np.full((20, 32, 32, 3), 0.5, dtype=np.float32)
    noisy = add_noise(grey, np.random.default_rng(0), distortion=Distortion(noise=0.1))

    assert noisy.std() / 255 == pytest.approx(0.1, rel=0.02)


def test_no_script_holds_a_letter_left_out_or_of_another_script():
    drawn = [character for characters in SCRIPTS.values() for character in characters]

    assert len(set(drawn)) == len(drawn)
    assert not set(drawn) & set("".join(LEFT_OUT.values()))
    assert len({character_name(character) for character in drawn}) == len(drawn)


def test_letters_left_out_look_like_latin_ones_and_drawn_ones_do_not():
    """In one font, a capital left out for a namesake shape overlaps with it almost wholly."""

    def overlap(a, b):
        first, second = (plain(c).astype(float) for c in (a, b))
        return (first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum())

    for twin, latin in zip("АВЕМНОРСТХ", "ABEMHOPCTX", strict=True):
        assert overlap(twin, latin) > 0.9
    for group in ("cyrillic", "greek", "digits"):
        for character in SCRIPTS[group]:
            assert max(overlap(character, latin) for latin in SCRIPTS["latin"]) < 0.95, character


def test_every_character_has_fonts_that_draw_it():
    for characters in SCRIPTS.values():
        for character in characters:
            for font in fonts_for(character):
                assert character_mask(character, font).getextrema()[1] > 200


def test_class_names_are_in_the_order_of_their_folders():
    for group in GROUPS:
        folders = [directory(name) for name in group_classes(group)]
        assert folders == sorted(folders)
        assert len(set(folders)) == len(folders)
    assert group_classes("latin")[0] == "latin capital letter a"
    assert len(group_classes("latin")) == 26


def test_handwritten_and_photographs_of_pretraining_are_not_those_of_the_benchmark():
    """Without distortion the two sides have no image in common."""
    still = Distortion(rotation=0.0, scale=(1.0, 1.0), shift=0.0, noise=0.0)
    for group in ("handwritten", "photo_patches"):
        name = group_classes(group)[0]
        sides = [
            draw_class(group, name, 70, stream(0, "x"), distortion=still, pretraining=side)[0]
            for side in (True, False)
        ]
        if group == "handwritten":  # compare shapes, not tints
            sides = [side.min(axis=3) < 140 for side in sides]
        first, second = ({image.tobytes() for image in side} for side in sides)
        assert not first & second


def test_train_and_test_capitals_are_independent_draws():
    name = group_classes("latin")[0]
    drawn = [
        draw_class("latin", name, 5, stream(1, part, name), distortion=Distortion())[0]
        for part in ("capitals_train", "capitals_test")
    ]

    assert not (drawn[0] == drawn[1]).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize("part", PARTS)
def test_rendering_writes_the_same_bytes_twice(part, tmp_path):
    params = RenderParams(part=part, per_class=2)
    first, second = run(params, tmp_path / "a"), run(params, tmp_path / "b")

    assert first.equals(second)
    assert first["path"].to_list() == sorted(first["path"].to_list())
    on_disk = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.png"))
    assert [str(path) for path in on_disk] == first["path"].to_list()
    for path, sha256 in first.select("path", "sha256").rows():
        data = (tmp_path / "b" / path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
        with Image.open(io.BytesIO(data)) as image:
            assert (image.mode, image.size) == ("RGB", (32, 32))


def test_fewer_images_a_class_are_a_different_draw_but_labels_stay(tmp_path):
    index = run(RenderParams(part="digits", per_class=3), tmp_path / "images")
    write_index(tmp_path / "digits.parquet", index)
    read = read_index(tmp_path / "digits.parquet")

    assert read["row"].to_list() == list(range(24))
    assert read["label"].to_list() == [label for label in range(8) for _ in range(3)]
    assert read["class_name"][0] == group_classes("digits")[0]


def test_rendering_replaces_what_was_there(tmp_path):
    stale = tmp_path / "images" / "old" / "0000.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    run(RenderParams(part="photo_patches", per_class=1), tmp_path / "images")

    assert not stale.exists()


def test_unknown_parts_groups_and_sizes_are_refused():
    with pytest.raises(ValueError, match="unknown part 'runes' of glyphs; known: capitals_train"):
        RenderParams(part="runes", per_class=1)
    with pytest.raises(ValueError, match="per_class must be between 1 and 10000, got 0"):
        RenderParams(part="greek", per_class=0)
    with pytest.raises(ValueError, match="unknown group 'runes'; known: latin"):
        group_classes("runes")
    with pytest.raises(ValueError, match="group 'greek' has no class 'digit two'"):
        draw_class("greek", "digit two", 1, stream(0), distortion=PLAIN)
    with pytest.raises(ValueError, match="no font of the benchmark holds"):
        fonts_for("一")
