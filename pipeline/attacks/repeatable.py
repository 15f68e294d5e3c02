"""The same bits every time, from a GPU too: what a resumed or repeated crafting rests on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def repeatable(surrogate: str) -> Iterator[None]:
    """Compute in torch's deterministic operations only, forward and backward.

    Not with `warn_only`: attention's gradient is the same twice only without it, for with it the
    kernels that add up in any order are still taken (cuDNN's, and flash attention's usual ones).

    Args:
        surrogate: Name of the backbone, for messages.

    Raises:
        ValueError: If the model has an operation that no deterministic one replaces.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the GPU is first used
    before = torch.get_deterministic_debug_mode()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    except RuntimeError as error:
        if "does not have a deterministic implementation" not in str(error):
            raise
        raise ValueError(
            f"a surrogate must give the same gradient twice, but '{surrogate}' uses "
            f"{str(error).split()[0]}, which adds up in any order on this device; take another "
            "surrogate, or hide the GPU with CUDA_VISIBLE_DEVICES= to craft on the CPU"
        ) from error
    finally:
        torch.set_deterministic_debug_mode(before)
