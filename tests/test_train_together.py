"""Several processes that train one model: how they meet, and how they end."""

import os
import signal

import pytest
import torch
from torch import distributed as dist
from torch import nn
from torch.multiprocessing import ProcessExitedException, ProcessRaisedException

from pipeline.training import train_together as module
from pipeline.training.finetuning import Place
from pipeline.training.train_together import train_together

PLACES = ["cpu", "cpu"]


def model_of(place: Place) -> nn.Module:
    """Weights that name the number of processes."""
    total = torch.ones(1)
    dist.all_reduce(total)
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, float(total))
    return model


def die_once(place: Place) -> nn.Module:
    """Be killed after the meeting, the first time; `DIED` is the file that remembers."""
    model = model_of(place)
    if place.rank == 1 and not os.path.exists(os.environ["DIED"]):  # noqa: PTH110
        open(os.environ["DIED"], "x").close()  # noqa: PTH123
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()
    return model


def out_of_memory(place: Place) -> nn.Module:
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    error.add_note("lower finetune.batch_size (now 512)")
    raise error


def mistaken(place: Place) -> nn.Module:
    raise NotImplementedError("of this code")


def spawned(monkeypatch, work):
    """Stand in for torch's spawn: `work` is given the shared folder, no process is started."""
    monkeypatch.setattr(module, "spawn", lambda function, arguments, count: work(arguments[2]))


def alone(train, folder):
    """What one process does, in this one; spawn's error where it fails."""
    try:
        module._take_part(0, train, ["cpu"], folder)
    except Exception as error:
        raise ProcessRaisedException(f"Traceback …\n{error}", 0, 1) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def test_nobody_meets_at_the_place_of_a_killed_run(tmp_path, monkeypatch):
    """There they would wait for processes that are gone."""
    left = ("meeting", "finished.pt", "failed")
    for name in left:
        (tmp_path / name).write_text("of a killed run")
    found = []

    def work(folder):
        found.extend(name for name in left if (folder / name).exists())
        torch.save(nn.Linear(1, 2), folder / "finished.pt")

    spawned(monkeypatch, work)

    assert train_together(model_of, PLACES, tmp_path).out_features == 2
    assert not found


def test_the_first_process_leaves_the_model(tmp_path, monkeypatch):
    spawned(monkeypatch, lambda folder: alone(model_of, folder))

    assert train_together(model_of, PLACES, tmp_path / "new").weight.item() == 1.0


def test_what_went_wrong_in_a_process_is_one_line_with_its_cure(tmp_path, monkeypatch):
    spawned(monkeypatch, lambda folder: alone(out_of_memory, folder))

    with pytest.raises(RuntimeError) as caught:
        train_together(out_of_memory, PLACES, tmp_path)

    assert str(caught.value) == (
        "CUDA out of memory. Tried to allocate 2.00 GiB.; lower finetune.batch_size (now 512)"
    )


def test_a_mistake_of_the_code_keeps_its_traceback(tmp_path, monkeypatch):
    spawned(monkeypatch, lambda folder: alone(mistaken, folder))

    with pytest.raises(ProcessRaisedException, match="of this code"):
        train_together(mistaken, PLACES, tmp_path)


def test_a_process_that_was_ended_says_how_and_what_to_do(tmp_path, monkeypatch):
    def killed(folder):
        raise ProcessExitedException("process 1 terminated with signal SIGKILL", 1, 7, -9)

    spawned(monkeypatch, killed)

    with pytest.raises(RuntimeError, match="one of 2 .* signal SIGKILL.*lower finetune.workers"):
        train_together(model_of, PLACES, tmp_path)


@pytest.mark.slow
def test_a_killed_run_is_taken_up_by_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("DIED", str(tmp_path / "died"))

    with pytest.raises(RuntimeError, match="signal SIGKILL"):
        train_together(die_once, PLACES, tmp_path / "run")
    assert (tmp_path / "run/meeting").exists()

    assert train_together(die_once, PLACES, tmp_path / "run").weight.item() == 2.0
