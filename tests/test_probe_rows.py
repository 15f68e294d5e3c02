"""Where the rows of a probe are: in memory, or streamed from a scratch file."""

import numpy as np
import pytest
import torch

from pipeline.training.probe import fit_probe, training_accuracy
from pipeline.training.probe_recipe import ProbeRecipe
from pipeline.training.probe_rows import ResidentRows
from pipeline.training.probe_targets import Targets
from pipeline.training.row_file import RowFile
from pipeline.training.streamed_rows import spill

RECIPE = ProbeRecipe(epochs=40, batch_size=16, learning_rate=1e-2)


def blobs(seed, *, n=90, d=8, c=3):
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % c).astype(np.int32)
    features = 4 * rng.normal(size=(c, d))[labels] + rng.normal(size=(n, d))
    return features.astype(np.float32), labels


def blocks(*arrays, rows=30):
    """The arrays in blocks, as they come from a store."""
    for start in range(0, len(arrays[0]), rows):
        yield tuple(array[start : start + rows] for array in arrays)


def one_epoch(rows, size, generator):
    """An epoch's batches, kept: they are lent only until the next one."""
    return [(x.clone(), y.clone()) for x, y in rows.batches(size, generator)]


def test_streamed_rows_are_each_seen_once_an_epoch(tmp_path):
    """Rows carry their number as a feature; batches have the sizes of the resident form."""
    features = np.arange(80, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)
    targets = (np.arange(80) % 5).astype(np.int32)
    streamed = spill(blocks(features, targets), 80, tmp_path, seed=0, block=16, together=2)
    generator = torch.Generator().manual_seed(0)

    first, second = (one_epoch(streamed, 12, generator) for _ in range(2))

    assert [len(x) for x, _ in first] == [12] * 6 + [8]
    seen = np.concatenate([x.numpy()[:, 0] for x, _ in first]) * streamed.std[0] + streamed.mean[0]
    wanted = np.concatenate([y.numpy() for _, y in first])
    np.testing.assert_allclose(np.sort(seen), np.arange(80), atol=1e-3)
    np.testing.assert_array_equal(np.round(seen).astype(int) % 5, wanted)
    assert not torch.equal(first[0][0], second[0][0])


@pytest.mark.parametrize(("block", "together", "size"), [(7, 1, 16), (16, 2, 90), (8192, 32, 16)])
def test_a_window_smaller_than_a_batch_or_larger_than_the_bank(tmp_path, block, together, size):
    features, labels = blobs(1)
    streamed = spill(blocks(features, labels), 90, tmp_path, seed=0, block=block, together=together)

    batches = one_epoch(streamed, size, torch.Generator().manual_seed(0))

    assert [len(x) for x, _ in batches] == ([90] if size == 90 else [16] * 5 + [10])
    raw = torch.cat([x for x, _ in batches]).numpy() * streamed.std + streamed.mean
    np.testing.assert_allclose(np.sort(raw, axis=0), np.sort(features, axis=0), atol=1e-4)


def test_streamed_and_resident_heads_are_as_good(tmp_path):
    features, labels = blobs(7)
    streamed = spill(blocks(features, labels), 90, tmp_path, seed=0)
    resident = ResidentRows.of(features, labels)

    accuracies = [
        training_accuracy(fit_probe(rows, classes=3, recipe=RECIPE, seed=0)[0], rows)
        for rows in (streamed, resident)
    ]

    assert min(accuracies) > 0.9


@pytest.mark.parametrize("offset", [300.0, 1e6])
def test_streamed_rows_keep_the_precision_of_the_store(tmp_path, offset):
    """Half precision would round the spread of 0.05 around 300 away, and 1e6 to infinity."""
    features, labels = blobs(8)
    features = (features * (0.05 * offset / 300) + offset).astype(np.float32)
    streamed = spill(blocks(features, labels), 90, tmp_path, seed=0, dtype="float32")

    seen = torch.cat([x for x, _ in one_epoch(streamed, 16, torch.Generator().manual_seed(0))])
    probe, _ = fit_probe(streamed, classes=3, recipe=RECIPE, seed=0)

    expected = (features - streamed.mean) / streamed.std
    np.testing.assert_array_equal(np.sort(seen.numpy(), axis=0), np.sort(expected, axis=0))
    assert training_accuracy(probe, streamed) > 0.95


def test_soft_targets_stay_with_their_rows(tmp_path):
    features, labels = blobs(2)
    soft = np.eye(3, dtype=np.float32)[labels]
    heads = []
    for name, targets in (("hard", labels), ("soft", soft)):
        (tmp_path / name).mkdir()
        streamed = spill(blocks(features, targets), 90, tmp_path / name, seed=0)
        heads.append(fit_probe(streamed, classes=3, recipe=RECIPE, seed=0)[0])

    np.testing.assert_allclose(heads[0].weight, heads[1].weight, atol=1e-5)


def test_gathered_rows_give_the_head_of_the_callers_own():
    """Standardised once or batch by batch: the same numbers. The caller's array stays as it was."""
    features, labels = blobs(3)
    before = features.copy()
    own = ResidentRows.gathered(blocks(features, labels), 90)
    lent = ResidentRows.of(features, labels)

    heads = [fit_probe(rows, classes=3, recipe=RECIPE, seed=0)[0] for rows in (own, lent)]

    np.testing.assert_allclose(heads[0].weight, heads[1].weight, atol=1e-6)
    np.testing.assert_array_equal(features, before)


def test_half_precision_rows_are_widened_batch_by_batch():
    features, labels = blobs(4)
    half = ResidentRows.of(features.astype(np.float16), labels)
    whole = ResidentRows.of(features.astype(np.float16).astype(np.float32), labels)

    heads = [fit_probe(rows, classes=3, recipe=RECIPE, seed=0)[0] for rows in (half, whole)]

    assert half.features.dtype == torch.float16
    np.testing.assert_array_equal(heads[0].weight, heads[1].weight)


def test_targets_pick_their_rows_of_each_block():
    """Rows 1, 2 and 5 of seven, in blocks of three; a block without any is left out."""
    features = np.arange(7, dtype=np.float32)[:, None]
    values = np.array([-1, 0, 1, -1, -1, 1, -1], np.int32)
    numbered = [(start, features[start : start + 3]) for start in (0, 3, 6)]
    targets = Targets(np.array([1, 2, 5]), values, [])
    soft = Targets(targets.rows, values, [], soft=lambda rows: np.hstack([rows, 1 - rows]))

    picked = [(rows[:, 0].tolist(), wanted.tolist()) for rows, wanted in targets.pick(numbered)]
    probable = [wanted.tolist() for _, wanted in soft.pick(numbered)]

    assert picked == [([1, 2], [0, 1]), ([5], [1])]
    assert probable == [[[1, 0], [2, -1]], [[5, -4]]]


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs training rows, got none"):
        ResidentRows.gathered([], 0)
    with pytest.raises(ValueError, match="needs training rows, got none"):
        spill([], 0, tmp_path, seed=0)


def test_a_row_file_gives_back_what_was_put_anywhere(tmp_path):
    file = RowFile(tmp_path / "rows", 5, (3,), np.dtype("float16"))
    rows = np.arange(15, dtype=np.float32).reshape(5, 3)
    file.put(np.array([4, 0, 2]), rows[[4, 0, 2]])
    file.put(np.array([3, 1]), rows[[3, 1]])
    out = np.empty((3, 3), np.float16)

    file.read(1, out)

    np.testing.assert_array_equal(out, rows[1:4])


def test_a_scratch_file_that_ends_early_is_an_error(tmp_path):
    file = RowFile(tmp_path / "rows", 5, (), np.dtype("int64"))
    file.put(np.array([0, 1]), np.array([7, 8]))

    with pytest.raises(OSError, match="ends before row 5"):
        file.read(1, np.empty(2, np.int64))
