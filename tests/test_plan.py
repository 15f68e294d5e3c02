"""The plan before any cost: what is counted, what is there, what is missing."""

import polars as pl
import pytest
import yaml

from pipeline.downloads import Download
from pipeline.planning import Cost, plan_backbone, plan_table
from stages import plan


def test_a_backbone_by_hand():
    """Of 100 + 20 + an unknown number of images, 100 are stored: 20 by 8 by 2 bytes remain."""
    found = plan_backbone(
        "vit",
        images={"train": 100, "test": 20, "new": None},
        cached={"train": True},
        cost=Cost(width=8, rate=2.0),
        dtype="float16",
        assumed_tflops=100.0,
    )
    assert (found.cached, found.to_extract, found.uncounted) == (
        ("train",),
        ("test", "new"),
        ("new",),
    )
    assert (found.images, found.stored_bytes, found.hours) == (20, 320, 10 / 3600)


def test_hours_by_arithmetic_are_marked():
    cost = Cost(width=8, gflops=50.0)
    assert cost.images_per_second(assumed_tflops=100.0) == 2000
    assert Cost().images_per_second(assumed_tflops=100.0) is None
    images = {"train": 7_200_000}
    measured, assumed = (
        plan_backbone("b", images=images, cached={}, cost=c, dtype="float32", assumed_tflops=100.0)
        for c in (Cost(width=8, rate=2000.0), cost)
    )
    lines = plan_table([measured, assumed])
    assert lines[1].split()[-1] == "1.00"
    assert lines[2].split()[-1] == "~1.00"
    assert lines[3].split()[-1] == "2.00"
    assert len({len(line) for line in lines}) == 1


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {
        "benchmark": {"name": "small", "id_train": "train", "expected": {"train": 3, "greek": 5}},
        "backbones": ["vit", "mine"],
        "models": {
            "vit": {"loader": "open_clip", "name": "ViT-B-16", "pretrained": "laion"},
            "mine": {"loader": "open_clip", "pretrain": {"steps": 1}},
        },
        "extract": {"dtype": "float16"},
        "craft": {"defaults": {"pairs": 200}},
        "datasets": {
            "train": {"source": "folder", "path": "imagenet/train"},
            "greek": {"source": "tar", "path": "greek.tar"},
            "smooth": {"source": "craft", "ood": "greek"},
        },
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    known = {
        "imagenet/train": Download(file="imagenet/train", note="log in and unpack"),
        "greek.tar": Download(file="greek.tar", url="http://example.org/greek.tar"),
    }
    return params, known


def test_the_plan_names_what_is_missing_and_the_cure(world):
    params, known = world
    costs = {"assumed_tflops": 100, "costs": {"vit": {"width": 768, "gflops": 35.0}}}
    text = "\n".join(plan.run(params, costs, known))
    assert "208" in text  # 3 + 5 expected, 200 crafted
    assert "vit: ViT-B-16 / laion, from data/checkpoints/vit.safetensors" in text
    assert "mine: will be trained here" in text
    assert "cure: log in and unpack" in text
    assert "cure: python -m stages.fetch greek" in text


def test_an_incomplete_copy_is_noticed(world, tmp_path):
    params, known = world
    (tmp_path / "data/index").mkdir(parents=True)
    frame = pl.DataFrame({"row": [0, 1, None]}, schema={"row": pl.Int64})
    frame.write_parquet(tmp_path / "data/index/train.parquet")
    text = "\n".join(plan.run(params, {"assumed_tflops": 1, "costs": {}}, known))
    assert "train holds 2 images, the benchmark states 3" in text
