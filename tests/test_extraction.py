"""Extraction: rows in index order, the same bytes however they are made, errors with names."""

import os
import signal
import time

import numpy as np
import polars as pl
import pytest
import torch
from extraction_world import Files, MatrixEncoder, World, load_matrix, same_bytes, to_array
from PIL import Image

from pipeline.cache_folder import cache_root
from pipeline.datasets.changed_files import changed_files
from pipeline.datasets.images import ImageError, ImageParams
from pipeline.extraction.cache import Segment, SideCache, missing_batches
from pipeline.extraction.content_key import content_key, index_digest, model_identity
from pipeline.extraction.cpu_kind import cpu_kind
from pipeline.extraction.decoding import ChangedFileError, ImageReader, decode_in_workers, pieces_of
from pipeline.extraction.extract_job import Job, run_everywhere, share
from pipeline.extraction.extract_params import (
    ExtractParams,
    batch_grid,
    batch_size_on,
    precision_on,
)
from pipeline.storage.store import read_features
from pipeline.storage.verify import find_stores, verify_store
from stages import verify as verify_stage
from stages.extract import explain_changes


@pytest.fixture
def world(tmp_path):
    return World.make(tmp_path, 70)


def test_rows_are_the_images_of_the_index_in_order(world):
    """By definition: one image at a time, one matrix product each."""
    world.extract(dtype="float32")

    found = read_features(world.root / "store.zarr")
    matrix = np.random.default_rng(0).normal(size=(48, 6))
    for row in (0, 31, 32, 69):
        image = Image.open(world.root / "images" / world.index["path"][row])
        expected = to_array(image) @ matrix
        np.testing.assert_allclose(found.features[row], expected, rtol=1e-5)
    assert found.labels.tolist() == [0] * 35 + [1] * 35
    assert found.attributes["norm"] == "raw"


def test_the_same_input_is_the_same_key_and_bytes(world):
    first = world.extract("one.zarr")
    second = world.extract("two.zarr", workers=0)

    assert first["key"] == second["key"]
    assert same_bytes(world.root / "one.zarr", world.root / "two.zarr")


@pytest.mark.parametrize(
    "change", [{"batch_size": 16}, {"dtype": "float32"}, {"shard_rows": 64}, {"codec": "blosc"}]
)
def test_what_determines_the_bytes_changes_the_key(world, change):
    assert world.extract("one.zarr")["key"] != world.extract("two.zarr", **change)["key"]


def test_photos_turned_another_way_are_another_key(world, monkeypatch):
    key = world.extract("one.zarr")["key"]
    monkeypatch.setattr("extraction_world.ImageParams", lambda: ImageParams(exif="apply"))

    assert world.extract("two.zarr")["key"] != key


def test_the_index_counts_by_paths_hashes_order_and_labels(world):
    index = world.index
    changed = [
        index.with_columns(path=pl.col("path").reverse()),
        index.with_columns(sha256=pl.col("sha256").shift(1)),
        index.with_columns(label=1 - pl.col("label")),
        index.head(69),
        index.reverse(),
    ]

    assert len({index_digest(table) for table in [index, *changed]}) == 6
    assert index_digest(index) == index_digest(index.clone())


def test_a_key_does_not_depend_on_order_or_on_where_weights_lie():
    assert content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    plain = {"name": "x", "transform": {"size": 8}}
    assert model_identity({"checkpoint": "/here", "kwargs": {}, **plain}) == plain
    assert model_identity({**plain, "transform": {"size": 8, "mean": None}}) == plain
    assert model_identity({"name": "x", "transform": {"mean": None}}) == {"name": "x"}


def test_what_changes_no_byte_of_the_rows_leaves_the_key(world, monkeypatch):
    """Renamed classes and another limit on pixels used to encode every image again."""
    key = world.extract("one.zarr")["key"]
    renamed = world.index.with_columns(class_name=pl.col("class_name") + "s")

    assert world.extract("two.zarr", index=renamed)["key"] == key
    monkeypatch.setattr("extraction_world.ImageParams", lambda: ImageParams(max_pixels=10**6))
    assert world.extract("three.zarr")["key"] == key


def test_another_kind_of_processor_is_another_key(world, monkeypatch):
    """Its code sums in another order; so does what a user makes the libraries take for it."""
    key = world.extract("one.zarr")["key"]
    assert cpu_kind().keys() >= {"machine"}

    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    limited = world.extract("two.zarr")["key"]
    monkeypatch.delenv("ATEN_CPU_CAPABILITY")
    monkeypatch.setattr("pipeline.extraction.cpu_kind._processor", lambda: {"machine": "other"})

    assert len({key, limited, world.extract("three.zarr")["key"]}) == 3


def test_a_foreign_file_in_the_side_cache_is_left_alone(world):
    key = world.extract("one.zarr", keep=True)["key"]
    odd = world.root / "cache" / "unfinished" / key / "odd.rows"
    odd.write_bytes(b"not ours")

    world.extract("two.zarr", keep=True)

    assert same_bytes(world.root / "one.zarr", world.root / "two.zarr")
    assert odd.read_bytes() == b"not ours"


def test_kept_rows_make_the_store_again_without_the_model(world):
    world.extract("one.zarr", keep=True)

    untouched = MatrixEncoder()
    world.extract("two.zarr", keep=True, encoder=untouched)

    assert untouched.seen == []
    assert same_bytes(world.root / "one.zarr", world.root / "two.zarr")


def test_kept_rows_without_what_the_model_said_of_them_are_made_again(world):
    """Width and space of the rows are known to the model alone, which is loaded to encode."""
    key = world.extract("one.zarr", keep=True)["key"]
    (world.root / "cache/unfinished" / key / "model.json").unlink()

    world.extract("two.zarr", keep=True)

    assert same_bytes(world.root / "one.zarr", world.root / "two.zarr")


def test_an_unreadable_image_is_named_and_what_is_finished_is_kept(world):
    path = world.index["path"][50]
    (world.root / "images" / path).write_bytes(b"no image")
    unhashed = world.index.with_columns(sha256=pl.lit(None, pl.String))

    with pytest.raises(ImageError, match=path):
        world.extract(index=unhashed)
    assert len(list((world.root / "cache").rglob("*.rows"))) == 1
    assert not (world.root / "store.zarr").exists()


def test_files_changed_since_the_index_are_found(world):
    paths, hashes = world.index["path"].to_list(), world.index["sha256"].to_list()
    good = (world.root / "images" / paths[1]).read_bytes()
    for row in (40, 60):
        (world.root / "images" / paths[row]).write_bytes(good)

    with pytest.raises(ChangedFileError, match=paths[40]):
        world.extract()

    class Folder:
        def read(self, path):
            return (world.root / "images" / path).read_bytes()

    found = changed_files(Folder(), paths, hashes, first=paths[60])
    assert found == ([paths[60], paths[40]], True)
    assert changed_files(Folder(), paths, hashes, first=paths[40], most=1) == ([paths[40]], False)
    in_no_time = changed_files(Folder(), paths, hashes, first=paths[40], seconds=0.0)
    assert in_no_time == ([], False)


def test_more_changed_files_than_are_named_are_not_counted_as_so_many(world):
    """The count was 20 whatever had changed."""
    for path in world.index["path"]:
        (world.root / "images" / path).unlink()

    told = explain_changes(
        "pictures", world.index, Files(world.root / "images"), world.index["path"][0]
    )

    assert told.startswith("at least 20 files of 'pictures' changed or are gone")


@pytest.mark.parametrize(("value", "message"), [(np.nan, "finite; .* row 33"), (1e6, "float16")])
def test_features_that_cannot_be_stored_name_their_rows(world, value, message):
    class Broken(MatrixEncoder):
        def rows(self, batches):
            rows = np.concatenate(batches)
            rows[33] = value
            return rows

    with pytest.raises(ValueError, match=message):
        world.extract(encoder=Broken())
    assert not (world.root / "store.zarr").exists()


def test_an_empty_index_is_refused(world):
    with pytest.raises(ValueError, match="no image"):
        world.extract(index=world.index.head(0))


def to_tensor(image):
    return torch.from_numpy(to_array(image))


def test_worker_processes_give_the_same_images_and_named_errors(world):
    class Folder:
        def read(self, path):
            return (world.root / "images" / path).read_bytes()

    paths = world.index["path"].to_list()
    reader = ImageReader(Folder(), paths, [None] * 70, to_tensor)
    pieces = pieces_of(batch_grid(70, 32))

    found = list(decode_in_workers(reader, pieces, workers=2, pin=False))

    expected = torch.stack([reader(row) for row in range(70)])
    assert torch.equal(torch.cat(found), expected)
    (world.root / "images" / paths[20]).write_bytes(b"")
    with pytest.raises(ImageError, match=f"{paths[20]}: the file is empty"):
        list(decode_in_workers(reader, pieces, workers=2, pin=False))


def test_batches_missing_around_finished_segments(tmp_path):
    segments = [Segment(2, 6, tmp_path), Segment(8, 9, tmp_path)]

    assert missing_batches(batch_grid(9, 2), segments) == [(0, 2), (6, 8)]
    assert missing_batches(batch_grid(9, 2), []) == batch_grid(9, 2)
    halves = [(0, 4), (4, 8), (8, 9)]  # of the first two, one half each is finished
    assert missing_batches(halves, segments) == halves[:2]


def test_a_side_cache_with_a_gap_is_not_read(tmp_path):
    cache = SideCache.open(tmp_path, "key", dtype="float16")
    cache.commit(0, np.ones((2, 3), np.float16))
    cache.commit(4, np.ones((2, 3), np.float16))

    with pytest.raises(ValueError, match="rows from 2 on"):
        list(cache.read(cache.recover(), width=3))


def test_devices_share_every_batch_once():
    batches = batch_grid(1000, 7)

    shares = share(batches, 3)

    assert sorted(batch for mine in shares for batch in mine) == batches
    assert max(map(len, shares)) - min(map(len, shares)) <= 16


def test_the_cache_lies_beside_dvcs_even_in_a_queued_experiment(tmp_path, monkeypatch):
    monkeypatch.delenv("OOD_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    main, queued = tmp_path / "main", tmp_path / "main/.dvc/tmp/exps/tmp1"
    (main / ".dvc").mkdir(parents=True)
    assert cache_root(main / "data") == main / ".dvc/cache/extraction"

    (queued / ".dvc").mkdir(parents=True)
    config = f"[core]\n    analytics = false\n[cache]\n    dir = {main}/.dvc/cache\n"
    (queued / ".dvc/config.local").write_text(config)
    assert cache_root(queued) == main / ".dvc/cache/extraction"

    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "chosen"))
    assert cache_root(queued) == tmp_path / "chosen"


def test_precision_and_batch_size_follow_the_device_unless_told():
    assert precision_on(ExtractParams(), "cpu") == "float32"
    assert precision_on(ExtractParams(), "cuda") == "bfloat16"
    assert precision_on(ExtractParams(precision="float16"), "cuda") == "float16"
    assert batch_size_on(ExtractParams(batch_size=7), "cuda", side=224) == 7
    assert batch_size_on(ExtractParams(), "cuda", side=224) == 256
    on_cpu = {side: batch_size_on(ExtractParams(), "cpu", side=side) for side in (32, 224, 448)}
    assert on_cpu == {32: 256, 224: 16, 448: 8}
    with pytest.raises(ValueError, match=r"extract\.batch_size must be at least 1, got 0"):
        ExtractParams(batch_size=0)


def test_verifying_names_every_damaged_file(world, monkeypatch, capsys):
    for name in ("a", "b", "c"):
        world.extract(f"data/features/m/{name}.zarr", shard_rows=32)
    store = world.root / "data/features/m/b.zarr"
    shard = store / "features/c/1/0"
    shard.write_bytes(shard.read_bytes().replace(b"\0", b"\1", 1))
    (store / "features/c/2/0").unlink()
    monkeypatch.chdir(world.root)
    monkeypatch.setattr("sys.argv", ["verify"])

    with pytest.raises(SystemExit) as left:
        verify_stage.main()

    printed = capsys.readouterr().out
    assert left.value.code == 1
    good, also, damaged, cure, summary = printed.splitlines()  # what is damaged, last
    assert good.startswith("good     data/features/m/a.zarr: ")
    assert also.startswith("good     data/features/m/c.zarr: ")
    assert damaged.startswith("damaged  data/features/m/b.zarr: ")
    assert cure.startswith("         cure: ")
    assert "dvc repro -f extract@m-b" in cure
    assert summary.startswith("3 stores: 2 good, 1 damaged; ")
    assert "features/c/1/0: does not match its checksum; features/c/2/0: is missing" in printed
    assert [path.stem for path in find_stores(world.root / "data")] == ["a", "b", "c"]
    assert not verify_store(world.root / "data/features/m/a.zarr").problems
    assert verify_store(world.root / "data/none.zarr").problems


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("nix.zarr", "no stage writes a store of this path: mend it"),
        ("data/text/m.zarr", "`dvc repro -f encode_text@m` computes it anew"),
        ("data/features/m/b.zarr", "`dvc repro -f extract@m-b` computes it anew"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_verifying_tells_the_cure_of_a_store_once(tmp_path, monkeypatch, capsys, path, cure, there):
    monkeypatch.chdir(tmp_path)
    if there:
        (tmp_path / path).mkdir(parents=True)
    monkeypatch.setattr("sys.argv", ["verify", path])

    with pytest.raises(SystemExit):
        verify_stage.main()

    damaged, told, _ = capsys.readouterr().out.splitlines()
    what = "manifest.json: is missing" if there else "the store: is missing"
    assert damaged == f"damaged  {path}: {what}"
    assert cure in told


@pytest.mark.slow
def test_two_devices_make_the_same_rows_as_one(world):
    """The processes of two GPUs, here both on the CPU; an error of one stops both."""
    world.extract("one.zarr", batch_size=2, keep=True)
    key = read_features(world.root / "one.zarr").attributes["key"]
    alone = SideCache.open(world.root / "cache", key, dtype="float16")
    together = SideCache.open(world.root / "two", key, dtype="float16")
    paths, hashes = world.index["path"].to_list(), world.index["sha256"].to_list()
    params = ExtractParams(workers=0)
    source = Files(world.root / "images")
    job = Job(load_matrix, source, paths, hashes, ImageParams(), params, together)
    counted = []

    run_everywhere(job, ["cpu", "cpu:1"], batch_grid(70, 2), advance=counted.append)

    assert sum(counted) == 70
    assert len({segment.start for segment in together.recover()}) > 1
    np.testing.assert_array_equal(
        np.concatenate(list(together.read(together.recover(), width=6))),
        np.concatenate(list(alone.read(alone.recover(), width=6))),
    )
    (world.root / "images" / paths[69]).write_bytes(b"")
    with pytest.raises((ImageError, ChangedFileError), match=paths[69]):
        run_everywhere(job, ["cpu", "cpu:1"], batch_grid(70, 2), advance=counted.append)


class InMemory:
    """All that an extraction asks of the place where its rows go."""

    dtype = np.dtype("float32")

    def __init__(self):
        """Hold nothing yet."""
        self.facts, self.rows = None, {}

    def remember(self, facts):
        self.facts = facts

    def commit(self, start, rows):
        self.rows[start] = rows


def test_finished_rows_may_stay_in_memory(world):
    """As those of photos do: no folder is named whose files could be removed."""
    sink = InMemory()
    paths, hashes = world.index["path"].to_list(), world.index["sha256"].to_list()
    source = Files(world.root / "images")
    job = Job(load_matrix, source, paths, hashes, ImageParams(), ExtractParams(workers=0), sink)

    run_everywhere(job, ["cpu"], batch_grid(70, 32), advance=lambda _: None)

    world.extract(dtype="float32")
    stored = read_features(world.root / "store.zarr").features[:]
    np.testing.assert_array_equal(np.concatenate([sink.rows[s] for s in sorted(sink.rows)]), stored)
    assert sink.facts == MatrixEncoder().facts()


class DyingJob(Job):
    """One process is killed at once, the other goes on reporting for half a minute."""

    def run(self, device, batches, *, workers, advance):
        if device == "cpu":
            os.kill(os.getpid(), signal.SIGKILL)
        for _ in range(150):
            time.sleep(0.2)
            advance(1)


def test_a_killed_process_is_noticed_while_the_others_work(world):
    """It used to be noticed when they had finished."""
    params = ExtractParams(workers=0)
    cache = SideCache.open(world.root / "cache", "a", dtype="float32")
    job = DyingJob(load_matrix, Files(world.root), [], [], ImageParams(), params, cache)
    started = time.monotonic()

    with pytest.raises(RuntimeError, match=r"extraction process died \(exit code -9\)"):
        run_everywhere(job, ["cpu", "cpu:1"], batch_grid(64, 1), advance=lambda _: None)

    assert time.monotonic() - started < 25
