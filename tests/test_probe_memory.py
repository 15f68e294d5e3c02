"""The memory of a probe's training: counted beforehand, and kept."""

import re

import pytest

from pipeline.training.probe_memory import TrainingSize, check_limit

SIZE = TrainingSize(rows=20_000, width=64, classes=10, itemsize=2, soft=False, batch_size=256)
SOFT = TrainingSize(rows=20_000, width=64, classes=10, itemsize=2, soft=True, batch_size=256)


def test_a_resident_bank_by_hand():
    """64 values of 4 bytes a row, a target and a place in line of 8 each."""
    assert SIZE.bank == 20_000 * (256 + 8 + 8)
    assert SOFT.bank == 20_000 * (256 + 40 + 8)


def test_a_step_by_hand():
    """Weights with bias four times (gradient, two moments); features and logits of the batch."""
    layer = 4 * 4 * 10 * 65

    assert SIZE.step == layer + 256 * (4 * (64 + 10) + 8) + 2 * 4 * 512 * 10
    assert SOFT.step == SIZE.step + 256 * 40
    assert TrainingSize(**{**vars(SIZE), "on_gpu": True}).step == 0


def test_the_window_fills_the_limit():
    """A row of the window takes 2 x 64 + 8 + 8 bytes."""
    fixed = SIZE.step + SIZE.waiting

    assert SIZE.window(fixed + 15_000 * 144) == 15_000
    assert SIZE.window(fixed + 15_000 * 144 + 5_000, held=5_000) == 15_000
    assert SIZE.window(10**12) == 20_000


def test_a_limit_below_one_batch_is_refused_with_what_would_do():
    with pytest.raises(ValueError, match=r"memory_gib must be at least 0\.\d+, .* got 0\.000010"):
        SIZE.window(10_737)
    least = max(SIZE.step + SIZE.waiting + 512 * 144, SIZE.reading + 160_000)

    assert SIZE.window(least) >= 512
    assert least == SIZE.streamed
    with pytest.raises(ValueError, match="memory_gib must be at least"):
        SIZE.window(least - 1)


def test_few_rows_take_no_more_than_they_do_in_memory():
    few = TrainingSize(**{**vars(SIZE), "rows": 10, "batch_size": 10})

    assert SIZE.least == SIZE.streamed < SIZE.resident
    assert few.least == min(few.resident, few.streamed)


@pytest.mark.parametrize("need", [1, 1074, 10_737, 123_456_789, 2**30 + 1, 2**36 - 1])
def test_the_least_that_is_named_is_no_less_than_what_is_needed(need):
    """Six digits are rounded up: to the nearest, half of all named limits would be refused."""
    with pytest.raises(ValueError, match="memory_gib must be at least") as caught:
        check_limit(need, need - 1, head="lp")
    [least] = re.findall(r"at least ([\d.]+), .* for the head 'lp'", str(caught.value))
    named = float(least)

    check_limit(need, int(named * 2**30), head="lp")
    assert named * 2**30 < need + 1074
