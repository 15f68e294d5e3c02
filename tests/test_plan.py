"""The plan before any cost: what is counted, what is there, what is missing."""

import hashlib
import io
import json
import os
import re
import shlex
import tarfile
from dataclasses import replace
from types import SimpleNamespace

import polars as pl
import pytest
import yaml

from pipeline.code_closure import ROOT
from pipeline.fetching.entry import Download
from pipeline.fetching.wanted_files import read_downloads
from pipeline.params import from_mapping
from pipeline.planning.costs import Cost, plan_backbone
from pipeline.planning.counts import image_counts
from pipeline.planning.table import plan_table, speed_lines
from pipeline.planning.training import plan_training
from pipeline.recorded_runs import RecordedRuns
from stages import fetch, plan


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


def test_a_training_by_hand():
    """1,000 images forward and back, three passes each, at 2 passes a second: 1,500 seconds."""
    cost = Cost(width=8, rate=2.0, machine="here")
    options = {"passes": 3.0, "assumed_tflops": 100.0}
    known = plan_training("fine-tune b", images=1000, cost=cost, **options)
    assert (known.images, known.hours) == (1000, 1500 / 3600)
    for images, unknown in ((None, cost), (1000, Cost())):
        assert plan_training("x", images=images, cost=unknown, **options).hours is None
    lines = plan_table([], [known, plan_training("craft x on c", images=7, cost=Cost(), **options)])
    assert [line.split()[-2:] for line in lines[1:3]] == [["1,000", "~0.42"], ["7", "?"]]
    assert lines[3].endswith("~0.42 + ?")


def test_what_nobody_counted_is_in_no_number_of_the_row():
    """ID training images that are not counted would raise images, bytes and hours."""
    unsure = plan_backbone(
        "vit",
        images={"train": None, "test": 7200},
        cached={},
        cost=Cost(width=8, rate=2.0, machine="here"),
        dtype="float16",
        assumed_tflops=100.0,
    )
    for line in plan_table([unsure])[1:]:
        assert line.endswith("7,200 + ?  0.1 MB + ?  1.00 + ?")


def test_what_comes_from_an_estimate_is_marked():
    """1,200 estimated and 6,000 counted images: 7,200 at 2 a second. The estimate may be there."""
    options = {"cost": Cost(width=8, rate=2.0, machine="here"), "dtype": "float16"}
    options |= {"images": {"train": 1200, "test": 6000}, "assumed_tflops": 100.0}
    about = plan_backbone("vit", cached={}, estimated={"train"}, **options)
    lines = plan_table([about, plan_backbone("b", cached={"train": True}, **options)])
    assert lines[1].split()[3:] == ["≈7,200", "≈0.1", "MB", "≈1.00"]
    assert lines[2].split()[3:] == ["6,000", "0.1", "MB", "0.83"]
    assert lines[3].split()[3:] == ["≈13,200", "≈0.2", "MB", "≈1.83"]
    stored = plan_backbone("vit", cached={"train": True}, estimated={"train"}, **options)
    assert stored.estimated == ()
    guess = plan_training(
        "x", images=7, cost=options["cost"], passes=3.0, assumed_tflops=1.0, estimated=True
    )
    assert plan_table([], [guess])[1].split() == ["x", "≈7", "~0.00"]


COSTS = {
    "assumed_tflops": 100,
    "passes_of_a_step": 3,
    "costs": {"vit": {"width": 768, "gflops": 36.0}},
}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Parameters of a small benchmark: a fine-tuned backbone, an attack, a set made of a list."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    params = {
        "benchmark": {
            "name": "small",
            "id_train": "train",
            "id_test": "test",
            "expected": {"train": 3, "greek": 5},
        },
        "backbones": ["vit", "mine", "vit_ft"],
        "models": {
            "vit": {"loader": "open_clip", "name": "ViT-B-16", "pretrained": "laion"},
            "mine": {"loader": "open_clip", "pretrain": {"steps": 1}},
            "vit_ft": {"loader": "timm", "name": "vit", "finetune": {"start": "vit", "epochs": 9}},
        },
        "extract": {"dtype": "float16"},
        "images": {"exif": "ignore"},
        "index": {"hash": True, "expected": {"greek": 5}},
        "finetune": {"epochs": 100, "batch_size": 2},
        "craft": {"surrogate": "vit", "defaults": {"pairs": 200, "steps": 10, "restarts": 2}},
        "datasets": {
            "train": {"source": "folder", "path": "imagenet/train"},
            "test": {"source": "folder", "path": "imagenet/val"},
            "greek": {"source": "tar", "path": "greek.tar"},
            "smooth": {"source": "craft", "ood": "greek"},
        },
    }
    known = {
        "imagenet/train": Download(file="imagenet/train", note="log in and unpack"),
        "greek.tar": Download(file="greek.tar", url="http://example.org/greek.tar"),
    }
    return params, known


def run_all(params, folder):
    """Leave the files and records of a finished run of these parameters."""
    train = params["benchmark"]["id_train"]
    files = {f"data/index/{name}.parquet": f"index {name}" for name in params["datasets"]}
    files |= {f"data/weights/{name}": f"weights {name}" for name in params["backbones"]}
    files["data/params/extract.json"] = "extract"

    def entry(keys, deps=(), outs=()):
        recorded = {}
        for key in keys:
            section, _, name = key.partition(".")
            recorded[key] = params[section][name] if name else params[section]
        listed = [[{"path": path, "md5": files[path]} for path in paths] for paths in (deps, outs)]
        return {"params": {"params.yaml": recorded}, "deps": listed[0], "outs": listed[1]}

    stages = {"check_params": entry([], outs=["data/params/extract.json"])}
    told = {name: params[name] for name in ("extract", "images")}
    (folder / "data/params").mkdir(parents=True, exist_ok=True)
    (folder / "data/params/extract.json").write_text(json.dumps(told))
    for name, spec in params["datasets"].items():
        index = f"data/index/{name}.parquet"
        (folder / index).parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"row": [0, 1, None]}, schema={"row": pl.Int64}).write_parquet(folder / index)
        keys, deps = [f"datasets.{name}", f"datasets.{train}", "images", "index"], []
        if spec["source"] == "craft":
            keys = [f"datasets.{name}", "craft.defaults", "benchmark.id_train", "images"]
            deps = [f"data/weights/{params['craft']['surrogate']}"]
        maker = "craft" if spec["source"] == "craft" else "index"
        stages[f"{maker}@{name}"] = entry(keys, deps, [index])
    for name, model in params["models"].items():
        kind = next((kind for kind in ("pretrain", "finetune") if kind in model), "fetch_weights")
        keys = [f"models.{name}", *([kind] if kind in params else [])]
        deps = [f"data/index/{train}.parquet"] if kind == "finetune" else []
        stages[f"{kind}@{name}"] = entry(keys, deps, [f"data/weights/{name}"])
        (folder / f"data/weights/{name}").mkdir(parents=True, exist_ok=True)
        (folder / f"data/weights/{name}/weights.json").write_text("{}")
        for dataset in params["datasets"]:
            (folder / f"data/features/{name}/{dataset}.zarr").mkdir(parents=True, exist_ok=True)
            inputs = [f"data/index/{dataset}.parquet", f"data/weights/{name}"]
            stages[f"extract@{name}-{dataset}"] = entry([], [*inputs, "data/params/extract.json"])
    (folder / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))


def rows_of(params, known=None):
    """Stores that are there and to extract, by row of the plan."""
    lines = plan.run(params, COSTS, known or {})
    return {line.split()[0]: line.split()[1:3] for line in lines[3:] if line}, "\n".join(lines)


def test_the_plan_names_what_is_missing_and_the_cure(world):
    params, known = world
    text = "\n".join(plan.run(params, COSTS, known))
    assert "208 + ?" in text  # 3 + 5 expected, 200 crafted, no number for the test set
    assert "vit: ViT-B-16 / laion\n    cure: the stage fetch_weights downloads it" in text
    assert "data/checkpoints/vit.safetensors" in text
    assert "mine: will be trained here" in text
    assert "cure: log in and unpack" in text
    assert (
        "cure: python -m stages.fetch greek; or datasets.greek.path=… names a copy that you have"
    ) in text


def test_fine_tuning_and_attacks_are_counted(world):
    """Of 3 images a batch of 2, for 9 epochs; 200 pairs by 10 steps by 2 restarts."""
    params, known = world
    lines = plan.run(params, COSTS, known)
    assert next(line for line in lines if line.startswith("fine-tune vit_ft")).split()[2:] == [
        "18",
        "?",
    ]
    crafted = next(line for line in lines if line.startswith("craft smooth on vit"))
    assert crafted.split()[4:] == ["4,000", "~0.00"]


@pytest.mark.parametrize(("recipe", "images"), [({}, "38,400"), ({"batch_size": 64}, "19,200")])
def test_pretraining_is_counted(world, recipe, images):
    """300 steps of 128 pairs at 1,000 images a second and three passes: 0.032 h, in the sum too."""
    params, known = world
    params["backbones"], params["datasets"] = ["mine"], {"test": "imagenet/val"}
    params["models"]["mine"]["pretrain"] = {"steps": 300, **recipe}
    costs = {**COSTS, "passes_of_a_step": 3}
    costs["costs"] = {"mine": {"width": 8, "rate": 1000, "machine": "one core"}}

    lines = plan.run(params, costs, known)
    row = next(line for line in lines if line.startswith("pretrain mine")).split()
    assert row == ["pretrain", "mine", images, "~0.03" if not recipe else "~0.02"]
    total = next(line for line in lines if line.startswith("all ")).split()
    assert total[-3:] == [row[-1], "+", "?"]  # nobody counted the images


def test_the_free_space_is_that_of_the_disk_where_features_go(world, tmp_path, monkeypatch):
    """It may be another one than that of the data root, whose free space was told alone."""
    params, known = world
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")

    def usage(place):
        return SimpleNamespace(free=7_000_000 if "elsewhere" in str(place) else 9_000_000)

    monkeypatch.setattr("shutil.disk_usage", usage)
    lines = plan.run({**params, "data_root": str(tmp_path / "raw")}, COSTS, known)

    assert "free where features are stored, data/: 7 MB" in lines
    assert any(line.endswith("free on disk: 9 MB") for line in lines)


def test_a_finished_run_has_nothing_to_do(world, tmp_path):
    params, known = world
    run_all(params, tmp_path)
    rows, text = rows_of(params, known)
    assert all(rows[name] == ["4", "0"] for name in params["backbones"])
    assert "fine-tune" not in text
    assert "pretrain mine" not in text
    assert "craft" not in text
    assert "weights" not in text


def test_a_small_number_is_the_same_in_dvc_s_lock(world, tmp_path):
    """DVC writes 1e-05, which YAML 1.1 takes for a text: all of it counted as still to do."""
    params, known = world
    params["datasets"]["smooth"]["rate"] = params["finetune"]["rate"] = 1e-5
    run_all(params, tmp_path)
    lock = (tmp_path / "dvc.lock").read_text()
    assert lock.count("1.0e-05") == 2
    (tmp_path / "dvc.lock").write_text(lock.replace("1.0e-05", "1e-05"))

    rows, text = rows_of(params, known)
    assert all(rows[name] == ["4", "0"] for name in params["backbones"])
    assert "fine-tune" not in text


def test_a_set_of_the_same_name_but_another_list_is_not_there(world, tmp_path):
    """As tiny_imagenet of CIFAR-10 and of CIFAR-100; the attack on it is another one too."""
    params, known = world
    run_all(params, tmp_path)
    params["datasets"]["greek"] = {"source": "tar", "path": "other.tar"}
    rows, text = rows_of(params, known)
    assert rows["vit"] == ["2", "2"]
    assert "greek, smooth: indexed for another run, so counted anew" in text
    assert "greek holds 2 images" not in text
    assert "fine-tune vit_ft" not in text
    assert "craft smooth on vit" in text


@pytest.mark.parametrize(
    ("change", "there"),
    [
        ({"extract": {"dtype": "float32"}}, {"vit": "0", "mine": "0", "vit_ft": "0"}),
        ({"finetune": {"epochs": 3, "batch_size": 2}}, {"vit": "4", "mine": "4", "vit_ft": "0"}),
        ({"images": {"exif": "apply"}}, {"vit": "0", "mine": "0", "vit_ft": "0"}),
        ({"data_root": "/elsewhere"}, {"vit": "4", "mine": "4", "vit_ft": "4"}),
        ({"index": {"hash": True, "expected": {}}}, {"vit": "4", "mine": "4", "vit_ft": "4"}),
        ({"index": {"hash": False}}, {"vit": "0", "mine": "0", "vit_ft": "0"}),
    ],
)
def test_stores_of_other_parameters_are_not_there(world, tmp_path, change, there):
    """Where the files lie is none of them, nor how many another benchmark expects."""
    params, known = world
    run_all(params, tmp_path)
    rows, _ = rows_of({**params, **change}, known)
    assert {name: rows[name][0] for name in there} == there


def test_other_weights_make_other_stores(world, tmp_path):
    """What is fine-tuned and crafted from them is other too."""
    params, known = world
    run_all(params, tmp_path)
    params["models"]["vit"] = {**params["models"]["vit"], "pretrained": "openai"}
    rows, _ = rows_of(params, known)
    assert {name: rows[name][0] for name in params["backbones"]} == {
        "vit": "0",
        "mine": "3",
        "vit_ft": "0",
    }


def test_weights_fine_tuned_on_another_training_set_are_not_there(world, tmp_path):
    params, known = world
    run_all(params, tmp_path)
    params["benchmark"] = {**params["benchmark"], "id_train": "greek"}
    rows, text = rows_of(params, known)
    assert "fine-tune vit_ft" in text
    assert rows["vit_ft"] == ["0", "4"]


def test_an_index_of_files_replaced_since_is_not_that_of_the_store(world, tmp_path):
    """The lock file knows: the index was made anew, the store is of the one before."""
    params, known = world
    run_all(params, tmp_path)
    lock = yaml.safe_load((tmp_path / "dvc.lock").read_text())
    lock["stages"]["index@train"]["outs"][0]["md5"] = "another"
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock))
    rows, _ = rows_of(params, known)
    assert rows["vit"] == ["3", "1"]


def test_an_incomplete_copy_is_noticed(world, tmp_path):
    params, known = world
    run_all(params, tmp_path)
    _, text = rows_of(params, known)
    assert "train holds 2 images, the benchmark states 3" in text


def test_a_benchmark_that_states_no_numbers_is_planned(world, tmp_path):
    params, known = world
    params["benchmark"]["expected"] = None
    run_all(params, tmp_path)
    _, text = rows_of(params, known)
    assert "the benchmark states" not in text


def test_weights_on_this_machine_are_told_and_a_missing_file_has_a_cure(world, tmp_path):
    """A file by its path, one under the usual name, one in the hub's cache."""
    params, known = world
    revision = tmp_path / "hub/models--timm--vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    (revision / "refs").mkdir(parents=True)
    (revision / "refs/main").write_text("abc")
    (revision / "snapshots/abc").mkdir(parents=True)
    (revision / "snapshots/abc/model.safetensors").write_text("weights")
    (tmp_path / "data/checkpoints").mkdir(parents=True)
    for file in ("my.pt", "data/checkpoints/usual.pth"):
        (tmp_path / file).write_text("weights")
    (tmp_path / "broken.pt").write_text("")
    timm = {"loader": "timm", "name": "vit_tiny_patch16_224.augreg_in21k_ft_in1k"}
    params["models"] |= {
        "mine_there": {**timm, "checkpoint": "my.pt"},
        "mine_gone": {**timm, "checkpoint": "gone.pt"},
        "mine_empty": {**timm, "checkpoint": "broken.pt"},
        "usual": {"loader": "timm", "name": "vit_base_patch16_224.dino"},
        "cached": timm,
        "elsewhere": {"loader": "timm", "name": "vit_base_patch16_224.dino"},
    }
    params["backbones"] = [name for name in params["models"] if name not in ("mine", "vit_ft")]
    text = "\n".join(plan.run(params, COSTS, known))
    assert "\nweights that need no download:\n  mine_there: there, my.pt\n" in text
    assert "mine_gone: models.mine_gone.checkpoint = gone.pt does not exist\n    cure: put" in text
    assert "mine_empty: broken.pt is empty\n    cure: remove it, or put it there anew" in text
    assert "usual: there, data/checkpoints/usual.pth" in text
    assert "cached: there" in text
    assert "snapshots/abc/model.safetensors" in text
    assert "elsewhere: vit_base_patch16_224.dino\n    cure: the stage fetch_weights" in text


def test_another_benchmark_is_planned_without_writing_it_down(monkeypatch):
    monkeypatch.chdir(ROOT)
    before = (ROOT / "params.yaml").read_bytes()
    params = plan.parameters(["benchmark=cifar100", "study=cifar_finetuned"])
    costs = yaml.safe_load((ROOT / "conf/costs.yaml").read_text(encoding="utf-8"))
    text = "\n".join(plan.run(params, costs, {}))

    assert "benchmark cifar100" in text
    assert "fine-tune vit_h_cifar_ft" in text
    assert (ROOT / "params.yaml").read_bytes() == before
    assert plan.parameters([]) == yaml.safe_load(before)
    with pytest.raises(ValueError, match="does not compose with benchmark=cifar"):
        plan.parameters(["benchmark=cifar"])


def test_every_printed_download_is_a_command_that_knows_its_sets(tmp_path, monkeypatch):
    """With the benchmark and the data root that were planned, one of them with a blank in it."""
    monkeypatch.chdir(ROOT)
    overrides = ["benchmark=imagenet1k", f"data_root='{tmp_path}/my data'"]
    params = plan.parameters(overrides)
    costs = yaml.safe_load((ROOT / "conf/costs.yaml").read_text(encoding="utf-8"))
    lines = plan.run(params, costs, read_downloads(), overrides)

    cures = [line.partition("cure: ")[2].partition("; or ") for line in lines]
    commands = [(command, own) for command, _, own in cures if command.startswith("python")]
    assert len(commands) == 9
    for command, own in commands:
        words = shlex.split(command)
        assert words[:3] == ["python", "-m", "stages.fetch"]
        [name], told = fetch.told(words[3:])
        datasets, root = fetch.where_from(told)
        assert root == tmp_path / "my data"
        assert fetch.wanted_files(datasets, read_downloads(), [name])
        assert own.startswith(f"datasets.{name}.path")
    assert "datasets.textures_openood.path and datasets.textures_openood.root=… names" in str(lines)


def small(path, names):
    """A folder with these class folders, one file each."""
    for name in names:
        (path / name).mkdir(parents=True)
        (path / name / "a.jpg").write_bytes(b"x")


def missing_of(params, known, root):
    """What the plan says is missing, by data set."""
    lines = plan.run({**params, "data_root": str(root)}, COSTS, known)
    text = "\n".join(lines).partition("data missing:\n")[2].partition("\n\n")[0]
    entries = re.split(r"^  (?! )", text, flags=re.MULTILINE)[1:]
    return {entry.partition(":")[0]: entry.partition(": ")[2] for entry in entries}


def test_what_is_there_but_visibly_not_whole_is_missing(world, tmp_path):
    """An empty archive, an empty training folder, a flat test folder: all of them used to pass."""
    params, known = world
    params["benchmark"]["expected_classes"] = {"train": 2, "test": 2}
    root = tmp_path / "raw"
    (root / "imagenet/train").mkdir(parents=True)
    (root / "imagenet/val").mkdir()
    (root / "imagenet/val/1.JPEG").write_bytes(b"x")
    (root / "greek.tar").write_bytes(b"")

    found = missing_of(params, known, root)
    assert set(found) == {"train", "test", "greek"}
    assert f"'{root}/imagenet/train' is an empty folder\n    cure: log in and un" in found["train"]
    assert "imagenet/val' holds images without a class" in found["test"]
    assert "cure: +datasets.test.labels=… names a file" in found["test"]
    assert "greek.tar' is empty\n    cure: move it away and run python -m stages" in found["greek"]

    (root / "imagenet/val/1.JPEG").unlink()
    small(root / "imagenet/val", "ab")
    small(root / "imagenet/train", "ab")
    (root / "greek.tar").write_bytes(b"x" * 100)
    assert missing_of(params, known, root) == {}
    known["greek.tar"] = replace(known["greek.tar"], bytes=200)
    assert "greek.tar' holds 100 of 200 bytes" in missing_of(params, known, root)["greek"]


def tar_of(path, names):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            archive.addfile(member, io.BytesIO(b"1"))
    return str(path)


def test_imagenet_as_it_is_given_out_is_told_before_the_index_stops(world, tmp_path):
    """A tar of one tar a class and flat validation images; the plan found nothing missing."""
    params, known = world
    flat = tmp_path / "val flat"
    flat.mkdir()
    (flat / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"x")
    train = tar_of(tmp_path / "train.tar", ["n01440764.tar", "n01443537.tar"])
    params["datasets"] = {
        "train": {"source": "tar", "path": train},
        "test": {"source": "folder", "path": str(flat)},
        "greek": tar_of(tmp_path / "flat.tar", ["1.jpg"]),  # OOD images need no class
    }

    found = missing_of(params, known, tmp_path)
    assert set(found) == {"train", "test"}
    assert (
        "holds archives where images should be: 2, the first is 'n01440764.tar'" in found["train"]
    )
    sort = f"cure: python -m stages.sort_validation '{flat}' GROUND_TRUTH FOLDER makes class"
    assert sort in found["test"]
    assert "; or +datasets.test.labels=… names" in found["test"]
    params["datasets"]["test"]["labels"] = train  # any file that is there
    assert set(missing_of(params, known, tmp_path)) == {"train"}


@pytest.mark.parametrize(
    ("file", "names", "flat"),
    [
        ("a.tar", ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"], True),
        ("a.tar.gz", ["val/README", "val/1.JPEG"], True),
        ("a.tar", ["val/n01440764/1.JPEG"], False),
        ("a.tar", ["val/1.jpg", "val/1.cls"], False),
        ("a.tar", ["other/1.jpg"], False),
        ("a.tar", [], False),
    ],
)
def test_the_first_members_of_an_archive_tell_whether_there_are_classes(
    world, tmp_path, file, names, flat
):
    params, known = world
    subfolder = "" if names and "/" not in names[0] else "val"
    path = tar_of(tmp_path / file, names)
    params["datasets"] = {"train": {"source": "tar", "path": path, "subfolder": subfolder}}

    found = missing_of(params, known, tmp_path)
    assert ("without a class, and ID images need one" in found.get("train", "")) == flat


def test_what_may_not_be_read_has_another_cure_than_to_fetch_it(world, tmp_path, monkeypatch):
    params, known = world
    params["backbones"], params["datasets"] = ["vit"], {"greek": "greek.tar"}
    (tmp_path / "greek.tar").write_bytes(b"x" * 100)
    monkeypatch.setattr(os, "access", lambda place, mode: "greek" not in str(place))

    cure = missing_of(params, known, tmp_path)["greek"].partition("cure: ")[2].strip()
    assert cure == "read access; or datasets.greek.path=… names a copy that you have"


def test_the_cure_of_an_entry_that_is_a_path_replaces_the_entry(world, tmp_path):
    """A path has no key `path` that the command line could change."""
    params, known = world
    params["datasets"] = {"mine": "/nowhere/mine", "train": {"path": "/nowhere/train"}}
    told = missing_of(params, known, tmp_path / "raw")
    assert told["mine"].rstrip().endswith("cure: datasets.mine=… names a copy that you have")
    assert told["train"].rstrip().endswith("cure: datasets.train.path=… names a copy that you have")


def test_chosen_classes_are_looked_for_by_name(world, tmp_path):
    params, known = world
    small(tmp_path / "raw/imagenet/train", "abc")
    entry = {"source": "folder", "path": "imagenet/train", "include_classes": ["b", "d"]}
    params["datasets"] = {"train": entry}
    assert "train' lacks 1 of 2: d" in missing_of(params, known, tmp_path / "raw")["train"]
    small(tmp_path / "raw/imagenet/train", "d")
    assert missing_of(params, known, tmp_path / "raw") == {}


def test_an_archive_that_lies_unpacked_is_named_and_then_used(world, tmp_path):
    """The plan used to count it as a download. The cure it prints is one that works."""
    params, known = world
    params["backbones"] = ["vit"]
    params["datasets"] = {"greek": {"source": "tar", "path": "greek.tar", "subfolder": "greek/all"}}
    known["greek.tar"] = replace(known["greek.tar"], bytes=5_000_000)
    root = tmp_path / "raw"
    small(root / "greek/all", "ab")

    cure = missing_of(params, known, root)["greek"].partition("cure: ")[2].split("; or ")
    assert cure[:2] == [f"datasets.greek.path={root}/greek", "python -m stages.fetch greek"]
    lines = "\n".join(plan.run({**params, "data_root": str(root)}, COSTS, known))
    assert "unpacked greek.tar (5 MB" in lines
    assert "to download: 0 MB; unpacked already: 1" in lines
    assert f"unpacked at {root}/greek: datasets.greek.path={root}/greek uses it" in lines
    params["datasets"]["greek"]["path"] = f"{root}/greek"
    assert missing_of(params, known, root) == {}


def test_a_file_of_another_size_than_stated_is_told_and_its_checksum_decides(world, tmp_path):
    """A statement may be wrong: a whole file must not be in its way."""
    params, known = world
    params["backbones"], params["datasets"] = ["vit"], {"greek": "greek.tar"}
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/greek.tar").write_bytes(bytes(1000))
    md5 = hashlib.md5(bytes(1000)).hexdigest()
    known["greek.tar"] = replace(known["greek.tar"], bytes=1001, md5=md5)
    told = plan.run({**params, "data_root": str(tmp_path / "raw")}, COSTS, known)

    at = told.index("data that differ:")
    assert (
        "greek.tar' has 1,000 bytes, 1,001 are stated: `python -m stages.fetch gr" in told[at + 1]
    )
    assert "data missing:" not in told
    wanted = fetch.wanted_files(params["datasets"], known, [])
    assert wanted[0].state(tmp_path / "raw") == "there"
    assert fetch.run(wanted, tmp_path / "raw") == []
    known["greek.tar"] = replace(known["greek.tar"], rounded=True)
    told = plan.run({**params, "data_root": str(tmp_path / "raw")}, COSTS, known)
    assert "data that differ:" not in told


def images_of(entry, known, root):
    """The number of images of one training set, and whether it is estimated."""
    params = {"benchmark": {"id_train": "train", "id_test": "x"}, "datasets": {"train": entry}}
    counts = image_counts(params, RecordedRuns({}, params), known, root)
    return counts.images["train"], "train" in counts.estimated


@pytest.mark.parametrize(
    ("options", "images"),
    [
        ({}, 1281167),
        ({"include_classes": ["a"] * 200}, 256_233),
        ({"exclude_classes": ["a"] * 200}, 1_024_934),
        ({"include_classes": ["a"] * 200, "max_per_class": 10}, 2000),
    ],
)
def test_classes_of_a_published_set_are_estimated_by_their_number(tmp_path, options, images):
    """200 of 1,000 classes with 1,281,167 images: 256,233.4."""
    known = {"train": Download(file="train", images=1281167, classes=1000)}
    assert images_of({"path": "train", **options}, known, tmp_path) == (images, True)


def test_a_folder_nobody_counted_is_estimated_by_some_of_its_classes(tmp_path):
    """Seven classes of two images; five of them are looked into."""
    for number in range(7):
        (tmp_path / f"mine/{number}").mkdir(parents=True)
        for image in "ab":
            (tmp_path / f"mine/{number}/{image}.jpg").write_bytes(b"x")
    mine = str(tmp_path / "mine")
    assert images_of(mine, {}, tmp_path) == (14, True)
    assert images_of({"path": mine, "include_classes": ["0", "6", "9"]}, {}, tmp_path) == (4, True)
    assert images_of({"path": mine, "exclude_classes": ["0"]}, {}, tmp_path) == (12, True)
    assert images_of({"path": mine, "max_per_class": 1}, {}, tmp_path) == (7, True)
    assert images_of(f"{mine}/0", {}, tmp_path) == (None, False)
    assert images_of("nowhere", {}, tmp_path) == (None, False)


def test_an_estimated_training_set_is_named_with_its_number(world):
    params, known = world
    params["benchmark"]["expected"] = {}
    known["imagenet/train"] = replace(known["imagenet/train"], images=1000, classes=10)
    params["datasets"]["train"]["include_classes"] = ["a", "b"]
    text = "\n".join(plan.run(params, COSTS, known))
    assert "≈ images estimated before they are indexed, by their classes: train about 200" in text
    assert re.search(r"fine-tune vit_ft +≈1,800", text)
