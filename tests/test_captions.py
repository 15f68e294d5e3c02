from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.glyph_world.captions import NAMING, VAGUE, CaptionMix, Subject, write_caption
from pipeline.glyph_world.glyph_sets import GROUPS, group_classes
from pipeline.glyph_world.pretraining_pairs import PairParams, draw_pairs
from pipeline.language.prompts import PLP5
from pipeline.params import read_section

LETTERS = tuple(f"latin capital letter {c}" for c in "abc")
A = Subject(LETTERS[0], "latin capital letter", "italic serif", LETTERS)


def captions(mix, n=4000, subject=A):
    rng = np.random.default_rng(0)
    return [write_caption(subject, rng, mix=mix) for _ in range(n)]


def says(caption, name):
    """Whether a caption names a letter: 'letter a' but not 'letter a b'."""
    return f"{name} " in f"{caption.rstrip('.').replace(',', '')} "


def test_the_shares_are_those_asked_for():
    counts = Counter()
    for caption in captions(CaptionMix(naming=0.6, wrong=0.1)):
        named = [name for name in LETTERS if says(caption, name)]
        counts["naming" if named == [A.name] else "wrong" if named else "vague"] += 1

    assert counts["naming"] / 4000 == pytest.approx(0.6, abs=0.03)
    assert counts["wrong"] / 4000 == pytest.approx(0.1, abs=0.02)
    assert counts["vague"] / 4000 == pytest.approx(0.3, abs=0.03)


def test_the_defaults_are_the_benchmark_s():
    assert vars(CaptionMix()) == read_section("pretrain.pairs.captions")


@pytest.mark.parametrize(
    ("mix", "named"),
    [
        (CaptionMix(naming=1.0, wrong=0.0), {LETTERS[0]}),
        (CaptionMix(naming=0.0, wrong=1.0), set(LETTERS[1:])),
        (CaptionMix(naming=0.0, wrong=0.0), set()),
    ],
)
def test_pure_mixes_hold_one_kind(mix, named):
    found = {name for caption in captions(mix, 200) for name in LETTERS if says(caption, name)}

    assert found == named


def test_without_others_a_wrong_caption_names_the_subject():
    alone = Subject(LETTERS[0], "latin capital letter", "serif", LETTERS[:1])

    assert all(says(c, LETTERS[0]) for c in captions(CaptionMix(naming=0.0, wrong=1.0), 50, alone))


def test_the_zero_shot_prompts_stand_among_the_templates():
    assert {prompt.replace("{c}", "{name}") for prompt in PLP5} <= set(NAMING)
    assert not any("{name}" in template for template in VAGUE)


@given(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
def test_shares_that_are_no_shares_are_refused(naming, wrong):
    if naming >= 0 and wrong >= 0 and naming + wrong <= 1:
        assert CaptionMix(naming=naming, wrong=wrong).naming == naming
    else:
        with pytest.raises(ValueError, match="sum to at most 1"):
            CaptionMix(naming=naming, wrong=wrong)


def test_pairs_cover_every_group_and_repeat_to_the_byte():
    params = PairParams(count=300)
    images, texts = draw_pairs(params)
    again, texts_again = draw_pairs(params)

    assert images.tobytes() == again.tobytes()
    assert texts == texts_again
    assert len(images) == len(texts) >= 300
    said = " | ".join(texts)
    for group in params.shares:
        assert GROUPS[group] in said or any(name in said for name in group_classes(group))
    latin = images[: 26 * int(np.ceil(300 * 0.5 / 26))]
    other = draw_pairs(PairParams(count=300, seed=1))[0][: len(latin)]
    assert not (latin == other).all(axis=(1, 2, 3)).any()


def test_shares_of_groups_must_be_known_and_sum_to_one():
    with pytest.raises(ValueError, match="unknown group 'runes' in shares; known: latin"):
        PairParams(shares={"latin": 0.5, "runes": 0.5})
    with pytest.raises(ValueError, match="sum to 1"):
        PairParams(shares={"latin": 0.5})
