"""NegLabel as composed: the paper's groups over CLIP's whole words, and what glyphs has instead."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from dvc.utils.hydra import compose_and_dump

from pipeline.code_closure import ROOT
from pipeline.geometry import unit_norm
from pipeline.language.negative_labels import candidate_words, clip_vocabulary
from pipeline.language.text_params import TextParams
from pipeline.scores.neglabel import neglabel_scores


def composed(benchmark: str, folder: Path) -> tuple[int | None, int]:
    conf = str(ROOT / "conf")
    compose_and_dump(str(folder / "p.yaml"), conf, "", "config", conf, [f"benchmark={benchmark}"])
    params = yaml.safe_load((folder / "p.yaml").read_text(encoding="utf-8"))
    return params["text"]["negative_candidates"], params["methods"]["neglabel"]["groups"]


def test_all_words_and_a_hundred_groups_unless_the_benchmark_is_glyphs(tmp_path):
    assert composed("imagenet1k", tmp_path) == (None, 100)
    assert composed("cifar10", tmp_path) == (None, 100)
    assert composed("glyphs", tmp_path) == (2000, 10)
    assert TextParams().negative_candidates is None


def test_clips_whole_words_fill_a_hundred_groups():
    """Of 49,408 tokens 32,230 are whole words; 15 % of them make groups of 48 or 49."""
    words = candidate_words(clip_vocabulary(), [])
    assert len(words) == 32230
    kept = round(TextParams().negative_share * len(words))
    sizes = {len(group) for group in np.array_split(np.arange(kept), 100)}
    assert sizes == {48, 49}


def test_too_few_negatives_for_the_groups_say_how_to_get_more():
    units = unit_norm(np.random.default_rng(0).standard_normal((40, 4)))
    with pytest.raises(
        ValueError,
        match=r"between 1 and the 30 negative words, got 100; set fewer groups, or text",
    ):
        neglabel_scores(units[:5], units[5:10], units[10:], groups=100)
