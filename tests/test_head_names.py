"""Heads bear one name where they are trained, fitted and named by methods."""

from pipeline.code_closure import ROOT
from pipeline.head_names import HEADS, head_kind, head_name, known_heads


def test_further_seeds_stand_in_the_name():
    assert [head_name("plp", seed, (42, 43)) for seed in (42, 43)] == ["plp", "plp_seed43"]
    assert known_heads([42]) == ["zero_shot", "plp", "lp", "few_shot", "ft"]
    assert known_heads([42, 7])[5:] == ["plp_seed7", "lp_seed7", "few_shot_seed7"]
    assert known_heads([]) == known_heads([42])


def test_the_rule_stands_in_one_place():
    files = [p for folder in ("pipeline", "stages") for p in (ROOT / folder).rglob("*.py")]
    making = [p.name for p in files if "_seed{" in p.read_text(encoding="utf-8")]
    assert making == ["head_names.py"]


def test_the_kind_of_a_head_is_its_name_without_the_seed():
    for kind in HEADS:
        assert head_kind(kind) == kind
        assert head_kind(head_name(kind, 43, (42, 43))) == kind
