"""How far a long stage is, on a terminal and in a log."""

import io
import sys

import pytest

from pipeline import progress as module
from pipeline.progress import Progress, clock
from pipeline.training.loss_meter import LossMeter


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch):
    """The time in seconds, which a test sets."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_progress_without_a_terminal_is_a_line_now_and_then():
    stream = io.StringIO()
    progress = Progress("letters", 1000, done=400, stream=stream, every=0.0)
    progress.advance(100)
    progress.close("done")

    assert stream.getvalue().startswith("letters: 500 of 1,000 images, ")
    assert " left\n" in stream.getvalue()
    assert stream.getvalue().endswith("done\n")
    assert [clock(42.0), clock(187.0), clock(7387.0)] == ["42 s", "3:07", "2:03:07"]


def test_a_log_of_a_training_tells_hours_as_such(seconds, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with LossMeter("fine-tuning vit_b") as meter:
        for epoch in (1, 2, 3):
            seconds[0] = 3600.0 * epoch
            meter(epoch, 3, 0.5 / epoch)

    assert sys.stderr.getvalue().splitlines() == [
        "fine-tuning vit_b: 1 of 3 epochs, loss 0.5000, 2:00:00 left",
        "fine-tuning vit_b: 2 of 3 epochs, loss 0.2500, 1:00:00 left",
        "fine-tuning vit_b: 3 epochs, loss 0.1667, 3:00:00",
    ]


def test_a_short_training_leaves_its_last_line_in_a_log_and_none_on_a_terminal(
    seconds, monkeypatch
):
    for stream, left in ((io.StringIO(), "plp: 2 epochs, loss 0.2000, 4 s\n"), (Terminal(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        seconds[0] = 0.0
        with LossMeter("plp") as meter:
            for epoch, loss in ((1, 0.4), (2, 0.2)):
                seconds[0] = 2.0 * epoch
                meter(epoch, 2, loss)
        assert stream.getvalue().rpartition("\r\x1b[K")[2] == left
    assert "██████████·········· plp: 1 of 2 epochs, loss 0.4000, 2 s left" in stream.getvalue()
