"""The way of chosen rows from this machine's memory to a GPU, which copies them meanwhile."""

from collections.abc import Sequence

import torch
from torch import Tensor


class PinnedRows:
    """Memory for one batch that a GPU reads by itself; it is written anew once it has been read.

    A copy from other memory holds up this process until the GPU has done all steps before it, and
    goes through such memory anyway.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        """Serve batches of at most so many rows."""
        self._size, self._device = size, device
        self._memory: list[Tensor] = []
        self._read: torch.cuda.Event | None = None

    def send(self, sources: Sequence[Tensor], rows: Tensor) -> list[Tensor]:
        """Return these rows of each source, always the same sources, on the device."""
        if self._read is None:
            self._read = torch.cuda.Event()
            self._memory = [
                torch.empty(self._size, *source.shape[1:], dtype=source.dtype, pin_memory=True)
                for source in sources
            ]
        else:
            self._read.synchronize()
        sent = [
            torch.index_select(source, 0, rows, out=memory[: len(rows)]).to(
                self._device, non_blocking=True
            )
            for source, memory in zip(sources, self._memory, strict=True)
        ]
        self._read.record()
        return sent
