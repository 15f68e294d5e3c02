"""The plan before any cost: what is counted, what is there, what is missing."""

import polars as pl
import pytest
import yaml

from pipeline.code_closure import ROOT
from pipeline.downloads import Download
from pipeline.params import from_mapping
from pipeline.planning import Cost, plan_backbone, plan_table, speed_lines
from stages import plan


def test_a_backbone_by_hand():
    """Of 100 + 20 + an unknown number of images, 100 are stored: 20 by 8 by 2 bytes remain."""
    found = plan_backbone(
        "vit",
        images={"train": 100, "test": 20, "new": None},
        cached={"train": True},
        cost=Cost(width=8, rate=2.0, machine="here"),
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
        for c in (Cost(width=8, rate=2000.0, machine="here"), cost)
    )
    lines = plan_table([measured, assumed])
    assert lines[1].split()[-1] == "1.00"
    assert lines[2].split()[-1] == "~1.00"
    assert lines[3].split()[-1] == "~2.00"
    assert len({len(line) for line in lines}) == 1


def test_hours_say_where_they_come_from():
    """Measured, by arithmetic, and not known: the total says that it is not the whole."""
    costs = {
        "mini": Cost(width=8, rate=2000.0, machine="one core"),
        "vit": Cost(width=8, gflops=50.0),
        "mine": Cost(),
    }
    plans = [
        plan_backbone(
            name,
            images={"train": 7_200_000},
            cached={},
            cost=cost,
            dtype="float16",
            assumed_tflops=100.0,
        )
        for name, cost in costs.items()
    ]
    lines = plan_table(plans)
    assert [line.split()[-1] for line in lines[1:4]] == ["1.00", "~1.00", "?"]
    assert lines[4].endswith("~2.00 + ?")
    assert "230.4 MB + ?" in lines[4]
    assert speed_lines(plans, costs, assumed_tflops=100.0) == [
        "hours measured on one core, images/s: mini 2000",
        "~ hours by arithmetic, not measured: the model's FLOPs on one GPU that sustains 100 "
        "TFLOP/s",
        "? hours not known, nor FLOPs: mine (conf/costs.yaml)",
    ]


def test_a_rate_of_unknown_origin_is_refused():
    with pytest.raises(ValueError, match=r"a rate \(500 images/s\) needs the `machine`"):
        Cost(width=8, rate=500.0)


def test_the_shipped_table_speaks_of_known_backbones_and_names_its_machines():
    table = yaml.safe_load((ROOT / "conf/costs.yaml").read_text(encoding="utf-8"))
    known = {
        name
        for path in (ROOT / "conf/models").glob("*.yaml")
        for name in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    }
    assert set(table["costs"]) <= known
    for name, entry in table["costs"].items():
        cost = from_mapping(Cost, entry, section=f"costs.{name}")
        assert cost.width is not None
        assert (cost.rate is None) != (cost.gflops is None), name


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
