"""Threads that work ahead: order, errors, and bytes that do not depend on how many there are."""

import threading
import time

import pytest
import torch
from extraction_world import MatrixEncoder, World, same_bytes

from pipeline.backbones.input_side import input_side
from pipeline.backbones.loading import load_backbone
from pipeline.backbones.weights import write_record
from pipeline.extraction.encoder import TorchEncoder
from pipeline.extraction.run_ahead import run_ahead


def test_results_come_in_the_order_of_asking():
    def work(item):
        time.sleep(0.01 * (item % 3))
        return item**2

    assert list(run_ahead(work, range(20), threads=4, ahead=5)) == [n**2 for n in range(20)]


def test_no_more_is_begun_than_was_allowed():
    begun = []
    results = run_ahead(begun.append, range(100), threads=2, ahead=3)

    next(results)
    time.sleep(0.05)
    assert len(begun) <= 4
    results.close()
    assert threading.active_count() < 50


def test_an_error_of_the_items_waits_for_what_came_before():
    def items():
        yield from (1, 2)
        raise ValueError("the third")

    results = run_ahead(lambda item: item, items(), threads=2, ahead=10)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(results)


def test_an_error_of_the_work_is_raised_in_its_place():
    results = run_ahead(lambda item: 1 / item, [1, 0, 2], threads=2, ahead=1)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.fixture(scope="module")
def small_tower(tmp_path_factory):
    entry = {
        "loader": "timm",
        "name": "test_resnet",
        "random_weights": True,
        "transform": {"input_size": [3, 32, 32]},
    }
    weights = tmp_path_factory.mktemp("weights")
    write_record(weights, {"sha256": "random weights, seed 0"})
    backbone = load_backbone("m", entry, weights, "cpu")
    return TorchEncoder(backbone)


def test_the_bytes_do_not_depend_on_the_number_of_threads(small_tower, tmp_path):
    """One, two and five batches at once, of a model whose sums torch would share out."""
    world = World.make(tmp_path, 70)
    for threads in (1, 2, 5):
        world.extract(f"{threads}.zarr", encoder=small_tower, threads=threads, batch_size=16)

    assert same_bytes(tmp_path / "1.zarr", tmp_path / "2.zarr")
    assert same_bytes(tmp_path / "1.zarr", tmp_path / "5.zarr")


def test_batches_at_once_see_one_torch_thread_each(tmp_path):
    seen = []
    world = World.make(tmp_path, 70)
    before = torch.get_num_threads()
    encoder = MatrixEncoder(before=lambda _: seen.append(torch.get_num_threads()))
    world.extract(encoder=encoder, threads=3)

    assert seen == [1] * 3
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("entry", "side"),
    [
        ({"loader": "timm", "name": "m"}, 224),
        ({"loader": "timm", "transform": {"input_size": [3, 32, 48]}}, 48),
        ({"loader": "open_clip", "transform": {"size": 336}}, 336),
        ({"loader": "open_clip", "transform": {"size": [64, 96]}}, 96),
        ({"loader": "open_clip", "model_cfg": {"vision_cfg": {"image_size": 32}}}, 32),
        ({"loader": "open_clip", "transform": None, "model_cfg": None}, 224),
    ],
)
def test_the_side_is_what_the_entry_says(entry, side):
    assert input_side(entry) == side


def test_the_key_does_not_hold_the_threads(tmp_path):
    world = World.make(tmp_path, 4)
    one, two = (world.extract(f"{n}.zarr", threads=n)["key"] for n in (1, 2))

    assert one == two
