"""The stages encode_text, pseudo_label and probe on a tiny bank, from disk to disk."""

import json
import re
import sys
import tracemalloc
import weakref

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline.files import file_hash
from pipeline.geometry import unit_norm
from pipeline.language.class_folders import class_folders
from pipeline.language.text_params import TextParams
from pipeline.storage.store import iter_shards, read_arrays, read_attributes
from pipeline.storage.write_store import write_arrays, write_store
from pipeline.training import bank_rows
from pipeline.training.bank_rows import training_rows
from pipeline.training.heads import read_probe
from pipeline.training.probe import fit_probe
from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.probe_rows import ResidentRows
from pipeline.training.pseudo_labels import PseudoLabelParams, write_pseudo_labels
from pipeline.training.streamed_rows import StreamedRows
from stages import encode_text, probe, pseudo_label

NAMES = ["cat", "dog", "fox"]
QUICK = ProbeParams(epochs=20, batch_size=16, device="cpu")


@pytest.fixture
def world(tmp_path):
    """A bank around three text directions, its text store, and their paths."""
    rng = np.random.default_rng(0)
    projection = rng.normal(size=(6, 4)).astype(np.float32)
    labels = (np.arange(60) % 3).astype(np.int32)
    features = (rng.normal(size=(3, 6))[labels] * 3 + rng.normal(size=(60, 6))).astype(np.float32)
    means = np.stack([(features @ projection)[labels == c].mean(0) for c in range(3)])
    about = {"backbone": "tiny", "dataset": "bank", "key": "k1", "norm": "raw", "space": "features"}
    write_store(tmp_path / "bank.zarr", features, labels, about)
    text = {
        "backbone": "tiny",
        "applicable": True,
        "class_names": NAMES,
        "names": "folders",
        "prompts": "plp5",
        "logit_scale": 100.0,
    }
    arrays = {"class_embeddings": unit_norm(means), "projection": projection}
    write_arrays(tmp_path / "text.zarr", arrays, text)
    return tmp_path, features, labels, arrays, text


def command(monkeypatch, folder, module, *arguments, params):
    """Run a stage as the command line does, in a folder with params.yaml."""
    monkeypatch.chdir(folder)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    module.main()


def test_from_bank_to_heads(world, monkeypatch, capsys):
    folder, features, labels, arrays, _ = world
    command(
        monkeypatch, folder, pseudo_label, "bank.zarr", "text.zarr", "out/p.parquet", "out/r.json",
        params={"pseudo_label": {}},
    )  # fmt: skip
    table = pl.read_parquet(folder / "out/p.parquet")
    report = json.loads((folder / "out/r.json").read_text())
    stored = features.astype(np.float16).astype(np.float32)
    cosines = unit_norm(stored @ arrays["projection"]) @ arrays["class_embeddings"].T
    assert table["pseudo_label"].to_list() == cosines.argmax(1).tolist()
    assert table["row"].to_list() == list(range(60))
    assert report["accuracy"] == pytest.approx((cosines.argmax(1) == labels).mean(), abs=1e-6)

    command(
        monkeypatch, folder, probe, "bank.zarr", "out/p.parquet", "text.zarr", "heads/tiny",
        params={"probe": {"epochs": 20, "batch_size": 16, "seeds": [42, 43], "shots": 5}},
    )  # fmt: skip
    told = json.loads((folder / "heads/tiny/heads.json").read_text())
    assert sorted(path.stem for path in (folder / "heads/tiny").glob("*.safetensors")) == [
        "few_shot", "few_shot_seed43", "lp", "lp_seed43", "plp", "plp_seed43",
    ]  # fmt: skip
    assert told["fitted_on"]["bank"]["key"] == "k1"
    assert told["fitted_on"]["pseudo_labels"] == file_hash(folder / "out/p.parquet")
    assert told["heads"]["few_shot"]["rows"] == 15
    assert [fit["seed"] for fit in told["heads"]["lp"]["seeds"]] == [42, 43]
    assert set(told["heads"]["lp"]["spread"]) == {"loss", "accuracy"}
    accuracy = (read_probe(folder / "heads/tiny/lp.safetensors").logits(stored).argmax(1)) == labels
    assert accuracy.mean() == pytest.approx(told["heads"]["lp"]["seeds"][0]["accuracy"], abs=1e-6)
    assert "tiny lp: 60 rows" in capsys.readouterr().out


def test_texts_in_another_order_than_the_labels_are_told(world, monkeypatch, capsys):
    """In the log of both stages, in the report and beside the head that learned from them."""
    folder, _, _, arrays, text = world
    turned = arrays | {"class_embeddings": np.roll(arrays["class_embeddings"], 1, axis=0)}
    write_arrays(folder / "text.zarr", turned, text)
    command(
        monkeypatch, folder, pseudo_label, "bank.zarr", "text.zarr", "p.parquet", "r.json",
        params={"pseudo_label": {}},
    )  # fmt: skip
    warning = json.loads((folder / "r.json").read_text())["warning"]
    assert f"warning: {warning}" in capsys.readouterr().out
    command(
        monkeypatch, folder, probe, "bank.zarr", "p.parquet", "text.zarr", "heads/tiny",
        params={"probe": {"epochs": 1, "batch_size": 16}},
    )  # fmt: skip
    heads = json.loads((folder / "heads/tiny/heads.json").read_text())["heads"]
    assert heads["plp"]["warning"] == warning
    assert "warning" not in heads["lp"]
    printed = capsys.readouterr().out
    assert f"tiny plp: warning: {warning}" in printed
    assert "tiny lp: warning: 4 steps in all on 60 rows" in printed


def test_the_same_bytes_twice(world, monkeypatch):
    folder, *_ = world
    params = {"pseudo_label": {}, "probe": {"epochs": 3, "batch_size": 16}}
    for out in ("a", "b"):
        command(
            monkeypatch, folder, pseudo_label, "bank.zarr", "text.zarr", f"{out}/p.parquet",
            f"{out}/r.json", params=params,
        )  # fmt: skip
        command(
            monkeypatch, folder, probe, "bank.zarr", f"{out}/p.parquet", "text.zarr",
            f"{out}/heads", params=params,
        )  # fmt: skip

    files = sorted(path.relative_to(folder / "a") for path in (folder / "a").rglob("*.*"))
    assert len(files) == 5
    for file in files:
        assert (folder / "a" / file).read_bytes() == (folder / "b" / file).read_bytes(), file


def test_a_backbone_without_text_tower_has_lp_only(world, monkeypatch):
    folder, _, _, _, text = world
    text = {**text, "applicable": False, "reason": "no zero-shot: it has no text tower"}
    write_arrays(folder / "text.zarr", {}, text)

    command(
        monkeypatch, folder, pseudo_label, "bank.zarr", "text.zarr", "p.parquet", "r.json",
        params={"pseudo_label": {}},
    )  # fmt: skip
    probes, told = probe.run(
        folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr", QUICK
    )

    assert len(pl.read_parquet(folder / "p.parquet")) == 0
    assert json.loads((folder / "r.json").read_text())["reason"] == text["reason"]
    assert set(probes) == {"lp"}
    assert told["heads"]["plp"] == {"applicable": False, "reason": text["reason"]}


def test_soft_pseudo_labels_reach_the_probe(world, monkeypatch):
    """At a huge temperature every class is as likely, and the head learns nothing."""
    folder, *_ = world
    command(
        monkeypatch, folder, pseudo_label, "bank.zarr", "text.zarr", "p.parquet", "r.json",
        params={"pseudo_label": {"soft": True, "temperature": 1000.0}},
    )  # fmt: skip

    _, told = probe.run(folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr", QUICK)

    assert told["heads"]["plp"]["seeds"][0]["loss"] > told["heads"]["lp"]["seeds"][0]["loss"]
    assert told["heads"]["plp"]["seeds"][0]["loss"] > np.log(3) - 0.01


LARGE = 30_000  # rows of 64 values: 7.3 MiB in float32


@pytest.fixture
def large(tmp_path):
    """A bank that a limit of 4 MiB does not hold, with its text and pseudo-labels."""
    rng = np.random.default_rng(0)
    labels = (np.arange(LARGE) % 3).astype(np.int32)
    features = (2 * rng.normal(size=(3, 64))[labels] + rng.normal(size=(LARGE, 64))).astype("f4")
    about = {"backbone": "tiny", "dataset": "bank", "key": "k1", "norm": "raw", "space": "features"}
    write_store(tmp_path / "bank.zarr", features, labels, about)
    text = {"backbone": "tiny", "applicable": True, "class_names": NAMES, "prompts": "plp5"}
    means = unit_norm(np.stack([features[labels == c].mean(0) for c in range(3)]))
    write_arrays(tmp_path / "text.zarr", {"class_embeddings": means}, {**text, "names": "folders"})
    rows = np.flatnonzero(np.arange(LARGE) % 20)  # 95 % of them
    columns = {"row": rows, "pseudo_label": labels[rows], "confidence": np.ones(len(rows))}
    table = pl.DataFrame(columns, schema=pseudo_label.SCHEMA)
    for name, options in (("hard", {}), ("soft", {"soft": True, "temperature": 0.1})):
        bank = read_attributes(tmp_path / "bank.zarr")
        write_pseudo_labels(tmp_path / f"{name}.parquet", table, bank, options)
    return tmp_path


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("mebibytes", [12, 4])
def test_a_memory_limit_is_kept(large, kind, mebibytes, monkeypatch):
    """12 MiB hold the bank once, not twice; 4 MiB hold a part of it. Torch's weights are small."""
    limited = ProbeParams(epochs=1, batch_size=256, device="cpu", memory_gib=mebibytes / 1024)
    seen, kinds, bytes_in_torch = [], set(), [0]  # tracemalloc misses torch's own

    def watched(rows, **how):
        seen.append(weakref.ref(rows))
        kinds.add(type(rows))
        if isinstance(rows, ResidentRows):
            bytes_in_torch.append(rows.features.nbytes)
        return fit_probe(rows, **how)

    def shards(*path, **how):
        assert not any(earlier() for earlier in seen)  # one head's rows at a time
        return iter_shards(*path, **how)

    monkeypatch.setattr(probe, "fit_probe", watched)
    monkeypatch.setattr(bank_rows, "iter_shards", shards)
    inputs = (large / "bank.zarr", large / f"{kind}.parquet", large / "text.zarr")
    probe.run(*inputs, limited)  # what is imported late is no part of the training
    tracemalloc.start()
    try:
        _, told = probe.run(*inputs, limited)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert kinds == {ResidentRows if mebibytes == 12 else StreamedRows}
    assert peak + max(bytes_in_torch) < mebibytes * 2**20
    assert told["heads"]["plp"]["rows"] == LARGE * 19 // 20
    assert told["heads"]["plp"]["seeds"][0]["accuracy"] > 0.9
    assert not list(large.glob(".probe-*"))


def test_a_memory_limit_that_holds_no_batch_is_refused(world):
    folder, *_ = world
    table, _ = pseudo_label.run(folder / "bank.zarr", folder / "text.zarr", PseudoLabelParams())
    write_pseudo_labels(folder / "p.parquet", table, read_attributes(folder / "bank.zarr"), {})
    inputs = (folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr")

    with pytest.raises(ValueError, match=r"memory_gib must be at least 0\.\d+"):
        probe.run(*inputs, ProbeParams(device="cpu", memory_gib=1e-9))


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_memory_that_is_named_is_enough_for_every_head(large, kind, monkeypatch):
    """Of heads that are trained in turn the last one has the earlier ones beside it."""
    inputs = (large / "bank.zarr", large / f"{kind}.parquet", large / "text.zarr")
    recipe = {"epochs": 1, "batch_size": 4096, "seeds": (1, 2, 3), "shots": 50, "device": "cpu"}

    def train(memory_gib):
        trained = []

        def counted(rows, **how):
            trained.append(len(rows))
            return fit_probe(rows, **how)

        monkeypatch.setattr(probe, "fit_probe", counted)
        try:
            probes, _ = probe.run(*inputs, ProbeParams(**recipe, memory_gib=memory_gib))
        except ValueError as error:
            return trained, 0, str(error)
        return trained, len(probes), ""

    trained, _, refusal = train(1e-6)
    named = re.search(r"at least (0\.\d+), .* take for the head '(\w+)', got 0\.000001", refusal)

    assert named, refusal
    assert (trained, named[2]) == ([], "plp" if kind == "soft" else "lp")
    least = float(named[1])
    assert train(least - 1e-6)[0] == []
    rows = [LARGE * 19 // 20] * 3 + [LARGE] * 3 + [50 * len(NAMES)] * 3
    assert train(least) == (rows, 9, "")


def test_what_is_held_before_a_head_is_all_targets_and_the_earlier_heads(large, monkeypatch):
    held = []

    def watched(training, targets, **how):
        held.append(how["held"])
        return training_rows(training, targets, **how)

    monkeypatch.setattr(probe, "training_rows", watched)
    inputs = (large / "bank.zarr", large / "hard.parquet", large / "text.zarr")
    probes, _ = probe.run(*inputs, ProbeParams(epochs=1, seeds=(1, 2), shots=5, device="cpu"))

    rows = LARGE * 19 // 20 + LARGE + 5 * len(NAMES)
    assert held[0] == 3 * LARGE * 4 + rows * 8
    assert held[1] - held[0] == sum(probes[name].weight.nbytes for name in ("plp", "plp_seed2"))
    assert held[2:] == [2 * held[1] - held[0]] * 2  # each seed has its own few shots


def test_a_gpu_that_is_not_there_is_an_error(world, monkeypatch):
    folder, *_ = world
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    table, _ = pseudo_label.run(folder / "bank.zarr", folder / "text.zarr", PseudoLabelParams())
    write_pseudo_labels(folder / "p.parquet", table, read_attributes(folder / "bank.zarr"), {})
    inputs = (folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr")

    with pytest.raises(ValueError, match="probe.device is cuda, but torch sees no GPU"):
        probe.run(*inputs, ProbeParams(device="cuda"))


def test_an_unlabelled_bank_has_plp_only(world):
    folder, features, *_ = world
    about = {"backbone": "tiny", "dataset": "bank", "key": "k2", "norm": "raw", "space": "features"}
    write_store(folder / "bank.zarr", features, np.full(60, -1, np.int32), about)
    table, report = pseudo_label.run(
        folder / "bank.zarr", folder / "text.zarr", PseudoLabelParams()
    )
    write_pseudo_labels(folder / "p.parquet", table, read_attributes(folder / "bank.zarr"), {})

    probes, told = probe.run(
        folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr", QUICK
    )

    assert "accuracy" not in report
    assert set(probes) == {"plp"}
    assert "no labels" in told["heads"]["lp"]["reason"]


def test_text_of_another_backbone_is_refused(world):
    folder, _, _, arrays, text = world
    write_arrays(folder / "text.zarr", arrays, {**text, "backbone": "other"})

    with pytest.raises(ValueError, match="one backbone, got 'tiny' and 'other'"):
        pseudo_label.run(folder / "bank.zarr", folder / "text.zarr", PseudoLabelParams())
    with pytest.raises(ValueError, match="one backbone, got 'tiny' and 'other'"):
        probe.run(folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr", QUICK)


def test_pseudo_labels_of_another_bank_are_refused(world, monkeypatch):
    """A bank extracted again has another key; its rows may have moved."""
    folder, features, labels, *_ = world
    command(
        monkeypatch, folder, pseudo_label, "bank.zarr", "text.zarr", "p.parquet", "r.json",
        params={"pseudo_label": {}},
    )  # fmt: skip
    about = {"backbone": "tiny", "dataset": "bank", "key": "k2", "norm": "raw", "space": "features"}
    write_store(folder / "bank.zarr", features, labels, about)

    with pytest.raises(ValueError, match="was made on .*key 'k1'.*, the bank is .*key 'k2'"):
        probe.run(folder / "bank.zarr", folder / "p.parquet", folder / "text.zarr", QUICK)


def test_text_of_another_width_is_refused(world):
    folder, _, _, arrays, text = world
    write_arrays(folder / "text.zarr", {**arrays, "projection": np.ones((5, 4), np.float32)}, text)

    bank, stored = folder / "bank.zarr", folder / "text.zarr"
    for run in (
        lambda: pseudo_label.run(bank, stored, PseudoLabelParams()),
        lambda: probe.run(bank, folder / "p.parquet", stored, QUICK),
    ):
        with pytest.raises(ValueError, match="must take features .* width 6, got width 5; run"):
            run()


def index(rows):
    return pl.DataFrame(rows, schema={"label": pl.Int32, "class_name": pl.String}, orient="row")


def test_class_folders_come_in_label_order():
    assert class_folders(index([(1, "a"), (0, "b"), (1, "a"), (-1, "")])) == ["b", "a"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [(0, "a"), (2, "c")],
            "ID class 1 has no training row .*; add images, or leave .*exclude_",
        ),
        (
            [(1, "a"), (2, "b")],
            "ID class 0 .* count from 1, list the .* and set first_label: 1 the",
        ),
        ([(0, "a"), (0, "b"), (1, "c")], r"class 0 .* under two names: \['a', 'b'\]"),
        ([(0, "a")], "at least two classes, got 1"),
        ([(-1, "")], "at least two classes, got 0"),
    ],
)
def test_class_folders_that_do_not_fit_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        class_folders(index(rows))


def test_a_timm_backbone_has_no_text_side(tmp_path):
    arrays, about = encode_text.run(
        "resnet", {"loader": "timm", "name": "resnet10t"}, tmp_path, NAMES, None, TextParams()
    )
    write_arrays(tmp_path / "text.zarr", arrays, about)

    stored, attributes = read_arrays(tmp_path / "text.zarr")
    assert stored == {}
    assert attributes["applicable"] is False
    assert "timm, has no text tower" in attributes["reason"]
    assert attributes["class_names"] == NAMES
