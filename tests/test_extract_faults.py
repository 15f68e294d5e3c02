"""Extraction killed, interrupted and out of space: nothing lost, the same bytes in the end."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from extraction_world import MatrixEncoder, World, run_limited, run_slowly, same_bytes

from pipeline.backbones.weights import write_record
from pipeline.datasets.index import write_index
from pipeline.extraction.leftovers import clear_published
from pipeline.extraction.locks import CacheError

ROOT = Path(__file__).resolve().parent.parent
# Children of this server start in milliseconds: it has imported everything and computed nothing.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["extraction_world"])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """2,100 images in 66 batches and 5 shards, and the store of an undisturbed run."""
    world = World.make(tmp_path_factory.mktemp("world"), 2100)
    world.extract("undisturbed.zarr", cache="cache0")
    return world


def in_a_child(world, *, store="store.zarr", pause=0.004, **arguments):
    """Start an extraction in a process of its own that commits after every batch."""
    process = SERVER.Process(target=run_slowly, args=(world.root, pause, store, arguments))
    process.start()
    return process


@pytest.mark.slow
def test_killed_at_25_moments_it_finishes_to_the_same_bytes(world, capfd):
    """Moments from the first instant to past the end; the next run starts from the leftovers.

    A moment is so many finished batches and a random wait, so that a busy machine spreads the
    moments over the run as a quiet one does.
    """
    rng = np.random.default_rng(3)
    in_a_child(world, store="warm.zarr", cache="warm").join()  # the server has started
    assert as_undisturbed(world, "warm.zarr")

    resumed = 0
    for batches in rng.permutation(np.linspace(0, 68, 25).astype(int)):
        process = in_a_child(world, pause=0.001)
        folder = world.root / "cache" / "unfinished"
        while process.is_alive() and finished_batches(folder) < batches:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.02))
        process.kill()
        process.join()

        kept = finished_batches(folder)
        encoder = MatrixEncoder()
        world.extract("store.zarr", encoder=encoder)

        assert as_undisturbed(world, "store.zarr")
        # Finished batches are not encoded again.
        assert sum(encoder.seen) <= max(0, 2100 - 32 * kept)
        resumed += kept > 0
        assert not list(folder.iterdir())
        assert sorted(p.name for p in world.root.glob(".*")) == []
    assert resumed >= 12
    assert "images are in the cache already" in capfd.readouterr().err


def as_undisturbed(world, store):
    return same_bytes(world.root / store, world.root / "undisturbed.zarr")


def finished_batches(folder):
    return len(list(folder.glob("*/*.rows")))


def wait_for(condition, *, process, seconds=60):
    """Wait until something is true, while the process lives."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit or not process.is_alive():
            pytest.fail("what the test waits for did not happen")
        time.sleep(0.005)


def segments(folder):
    return list(folder.rglob("*.rows"))


def test_a_second_writer_stops_and_names_the_first(world, capfd):
    process = in_a_child(world, cache="shared", pause=0.05)
    wait_for(lambda: segments(world.root / "shared"), process=process)
    note = next((world.root / "shared" / "locks").glob("*.holder"))

    with pytest.raises(CacheError, match=rf"process {process.pid} on .*extract.lock_timeout"):
        world.extract("second.zarr", cache="shared", lock_timeout=0.2)
    process.kill()
    process.join()
    world.extract("second.zarr", cache="shared", lock_timeout=5.0)  # a dead holder holds nothing

    assert same_bytes(world.root / "second.zarr", world.root / "undisturbed.zarr")
    assert f"is being extracted by process {process.pid}" in capfd.readouterr().err
    assert not note.exists()


def interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("gives_up", ["timeout", "interrupted"])
def test_a_second_writer_that_gives_up_takes_nothing_over(world, gives_up):
    """The first used to find its claim gone at its end, and wrote no store."""
    name = f"{gives_up}.zarr"
    process = in_a_child(world, store=name, cache=gives_up, pause=0.02)
    wait_for(lambda: segments(world.root / gives_up), process=process)

    if gives_up == "timeout":
        with pytest.raises(CacheError, match="is being extracted"):
            world.extract(name, cache=gives_up, lock_timeout=0.0)
    else:
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                world.extract(name, cache=gives_up)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    process.join()

    assert process.exitcode == 0
    assert same_bytes(world.root / name, world.root / "undisturbed.zarr")


def test_an_orphan_with_older_parameters_writes_nothing(world):
    """The later run owns the output although the orphan finishes after it."""
    orphan = in_a_child(world, store="owned.zarr", cache="orphans", pause=0.03, batch_size=64)
    wait_for(lambda: segments(world.root / "orphans"), process=orphan)

    world.extract("owned.zarr", cache="orphans")
    orphan.join()

    assert orphan.exitcode == 1
    assert same_bytes(world.root / "owned.zarr", world.root / "undisturbed.zarr")
    assert segments(world.root / "orphans")  # the orphan's work is kept


def test_torn_and_flipped_leftovers_are_computed_again(world):
    process = in_a_child(world, cache="torn", pause=0.01)
    wait_for(lambda: len(segments(world.root / "torn")) > 4, process=process)
    process.kill()
    process.join()
    first, second, *_ = segments(world.root / "torn")
    first.write_bytes(first.read_bytes()[:-3])
    second.write_bytes(second.read_bytes()[:-1] + b"?")
    (first.parent / "0000000000-0000000032.abc.rows.77.partial").write_bytes(b"half")

    world.extract("torn.zarr", cache="torn")

    assert same_bytes(world.root / "torn.zarr", world.root / "undisturbed.zarr")


def test_a_full_disk_loses_nothing(world, tmp_path):
    """A tmpfs of 96 KiB where mounting is allowed, else the system's limit on file size."""
    full = tmp_path / "full"
    full.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(full)],
        capture_output=True,
        check=False,
    ).returncode
    try:
        limit = None if mounted else 4096
        results = SERVER.SimpleQueue()
        process = SERVER.Process(target=run_limited, args=(world.root, str(full), limit, results))
        process.start()
        process.join()
        message = results.get()
        assert "disk is full" in message
        assert str(full) in message  # which one
        assert "run the same command again" in message
        kept = segments(full)
        assert kept
        assert not list(full.rglob("*.partial"))
        if mounted:
            grow = ["mount", "-o", "remount,size=8m", str(full)]
            subprocess.run(grow, check=True)
        encoder = MatrixEncoder()
        world.extract("full.zarr", cache=str(full), encoder=encoder)
    finally:
        if mounted:
            subprocess.run(["umount", str(full)], check=True)

    assert sum(encoder.seen) < 2100
    assert same_bytes(world.root / "full.zarr", world.root / "undisturbed.zarr")


def start_stage(folder, store, *, cache="cache"):
    """Start the real stage: timm's smallest network through torch."""
    command = [sys.executable, "-m", "stages.extract", "tiny", "pictures"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, "params.yaml", "few.parquet", "weights", store, f"{store}.json"],
        cwd=folder,
        env={**environment, "OOD_CACHE_DIR": str(folder / cache)},
        stderr=subprocess.PIPE,
        text=True,
        # a shell starts what it runs in the background with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.slow
def test_the_stage_survives_terminate_interrupt_and_kill(world):
    """SIGTERM and Ctrl-C say that work is kept and leave with their code; kill -9 says nothing."""
    folder = world.root / "stage"
    folder.mkdir()
    entry = {"loader": "timm", "name": "test_resnet", "random_weights": True}
    params = {
        "datasets": {"pictures": str(world.root / "images")},
        "extract": {"batch_size": 4, "device": "cpu", "shard_rows": 512},
        "images": {},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    write_record(folder / "weights", {"entry": entry, "sha256": "random weights, seed 0"})
    write_index(folder / "few.parquet", world.index.head(400))
    undisturbed = start_stage(folder, "undisturbed.zarr", cache="another")  # beside the others

    def stop(stage, signal_, code, message):
        stage.send_signal(signal_)
        _, errors = stage.communicate()
        assert stage.returncode == code, errors
        assert message in errors
        assert "Traceback" not in errors
        assert not (folder / "store.zarr").exists()

    for patience in (0.2, 1.0, 3.0, 9.0):  # a busy machine may not finish its first batch in time
        loaded = folder / "cache"
        for model in loaded.rglob("model.json"):
            model.unlink()
        stage = start_stage(folder, "store.zarr")
        while not list(loaded.rglob("model.json")) and stage.poll() is None:
            time.sleep(0.02)
        time.sleep(patience)
        stop(stage, signal.SIGTERM, 143, "terminated; finished images are kept")
        if list(loaded.rglob("*.rows")):
            break

    for signal_, code, message in [
        (signal.SIGINT, 130, "interrupted; finished images are kept"),
        (signal.SIGKILL, -9, ""),
    ]:
        stage = start_stage(folder, "store.zarr")
        lines = iter(stage.stderr.readline, "")  # ends where the stage does
        assert any("in the cache already" in line for line in lines), "the stage began anew"
        stop(stage, signal_, code, message)

    _, errors = undisturbed.communicate()
    assert undisturbed.returncode == 0, errors
    last = start_stage(folder, "store.zarr")
    _, errors = last.communicate()
    assert last.returncode == 0, errors
    assert "images are in the cache already" in errors
    assert same_bytes(folder / "store.zarr", folder / "undisturbed.zarr")

    # killed before DVC took the store over: it deletes the store and runs the stage again
    shutil.rmtree(folder / "store.zarr")
    again = start_stage(folder, "store.zarr")
    _, errors = again.communicate()
    assert "400 of 400 images are in the cache already" in errors
    assert same_bytes(folder / "store.zarr", folder / "undisturbed.zarr")
    clear_published(folder / "cache")  # what the next stage does first
    assert list((folder / "cache/unfinished").iterdir()) == []
