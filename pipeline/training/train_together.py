"""One training in several processes of this machine, one a device: they meet, train and end."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from pipeline.stage import BUGS, TOLD, told
from pipeline.training.finetuning import Place

Train = Callable[[Place], nn.Module]  # picklable
MEETING, FINISHED, FAILED = "meeting", "finished.pt", "failed"


def train_together(train: Train, devices: list[str], folder: Path) -> nn.Module:
    """Return the model of the first of several processes that run the same call.

    Args:
        train: What each of them calls with its place.
        devices: One for each.
        folder: For files that they share while they run.

    Raises:
        RuntimeError: If one of them fails: with its error's message, or how it was ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (MEETING, FINISHED, FAILED):  # of a killed run, whose processes would be waited for
        (folder / name).unlink(missing_ok=True)
    try:
        spawn(_take_part, (train, devices, folder), len(devices))
    except ProcessRaisedException as error:
        if not (folder / FAILED).exists():  # a mistake of this code keeps its traceback
            raise
        raise RuntimeError((folder / FAILED).read_text(encoding="utf-8")) from error
    except ProcessExitedException as error:
        raise RuntimeError(
            f"one of {len(devices)} training processes was ended from outside ({error}), with "
            "SIGKILL often since the machine's memory is full: free some, or lower "
            "finetune.workers, and run the same command again: it continues after the last epoch"
        ) from error
    return torch.load(folder / FINISHED, weights_only=False)


def _take_part(rank: int, train: Train, devices: list[str], folder: Path) -> None:
    """Run one of the processes; the first leaves the result, one that fails its message."""
    device = torch.device(devices[rank])
    if device.type == "cuda":
        torch.cuda.set_device(device)
    meeting = dist.FileStore(str(folder / MEETING), len(devices))  # type: ignore[attr-defined]
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=meeting, rank=rank, world_size=len(devices))
    try:
        model = train(Place(device, rank, len(devices)))
    except TOLD as error:
        if not isinstance(error, (KeyError, *BUGS)):
            # The first one is the cause: the others only lose who they talk to.
            with suppress(FileExistsError), (folder / FAILED).open("x", encoding="utf-8") as file:
                file.write(told(error))
        raise
    if rank == 0:
        torch.save(model.cpu(), folder / FINISHED)
    dist.destroy_process_group()
