"""Parameters of the extraction, and what of them decides the bytes of a store."""

import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

LARGEST_BATCH = 256
CPU_PIXELS = 16 * 224**2  # of a batch; a thread's share of the caches (benchmarks/README.md)


@dataclass(frozen=True)
class ExtractParams:
    """Section ``extract`` of params.yaml.

    Attributes:
        dtype: Numbers of the store.
        batch_size: Images encoded together; the last bits of features depend on it. ``auto`` is
            256 on a GPU, and on the CPU, whose caches hold less, 16 of 224 pixels or as many as
            are as large, from 8 to 256.
        precision: Arithmetic of the forward pass; ``auto`` is float32 on the CPU, bfloat16 on a
            GPU.
        device: ``auto`` takes every GPU of the machine, or the CPU where there is none.
        workers: Decoding processes for each device; 0 decodes in threads of the stage itself;
            ``auto`` takes threads on the CPU and the machine's cores for GPUs.
        shard_rows: Rows of a Zarr shard; null for shards of 64 MiB.
        codec: ``none`` or ``blosc`` (zstd 5 with byte shuffle).
        decode: ``exact`` decodes every image in full, as the models' own loaders do; ``reduced``
            lets the JPEG decoder halve large photos while their shorter side keeps what the
            transform resizes to; ``device`` decodes JPEGs and resizes on tensors where the model
            runs, by nvJPEG on a GPU. Faster; benchmarks/fidelity.py measures what they change.
        threads: Batches that a CPU encodes at once, each with one thread, so that no byte depends
            on it. ``auto`` is OMP_NUM_THREADS, or one for each core that the process may use.
        compile: Run the tower through torch.compile.
        lock_timeout: Seconds to wait for another run on the same content key; negative: for ever.
        ahead: While the model is loaded, other data sets of at most so many images are encoded
            into the side cache too, where their own stage finds them; 0 for none.
        keep: Leave the finished rows in the side cache, so that the same store, deleted, returns
            without the model.
    """

    dtype: Literal["float16", "float32"] = "float16"
    batch_size: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    workers: int | Literal["auto"] = "auto"
    shard_rows: int | None = None
    codec: Literal["none", "blosc"] = "none"
    decode: Literal["exact", "reduced", "device"] = "exact"
    threads: int | Literal["auto"] = "auto"
    compile: bool = False
    lock_timeout: float = -1.0
    ahead: int = 5000
    keep: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes that mean nothing."""
        if self.batch_size != "auto" and self.batch_size < 1:
            raise ValueError(f"extract.batch_size must be at least 1, got {self.batch_size}")
        if self.shard_rows is not None and self.shard_rows < 1:
            raise ValueError(f"extract.shard_rows must be at least 1, got {self.shard_rows}")
        if self.threads != "auto" and self.threads < 1:
            raise ValueError(f"extract.threads must be at least 1, or auto, got {self.threads}")
        if self.workers != "auto" and self.workers < 0:
            raise ValueError(f"extract.workers must be 0 or more, or auto, got {self.workers}")
        if self.decode == "device" and self.workers not in ("auto", 0):
            raise ValueError(
                "extract.workers must be auto or 0 with extract.decode: device, whose threads only "
                f"read files, got {self.workers}"
            )


def batch_grid(rows: int, batch_size: int) -> list[tuple[int, int]]:
    """Return (start, stop) of every batch of a store: fixed, however often a run is resumed."""
    return [(low, min(low + batch_size, rows)) for low in range(0, rows, batch_size)]


def expected_device(device: str) -> str:
    """Guess what `auto` will be, without importing torch: "cpu" or "cuda"."""
    if device != "auto":
        return device
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return "cpu"
    signs = [
        *Path("/proc/driver/nvidia/gpus").glob("*"),
        *Path("/dev").glob("nvidia[0-9]*"),
        Path("/dev/dxg"),
        Path("/dev/kfd"),
    ]
    return "cuda" if any(sign.exists() for sign in signs) else "cpu"


def precision_on(params: ExtractParams, device: str) -> str:
    """Return the arithmetic of the forward pass on "cpu" or "cuda"."""
    if params.precision != "auto":
        return params.precision
    return "bfloat16" if device == "cuda" else "float32"


def batch_size_on(params: ExtractParams, device: str, *, side: int) -> int:
    """Return the images of `side` pixels encoded together on "cpu" or "cuda"."""
    if params.batch_size != "auto":
        return params.batch_size
    return LARGEST_BATCH if device == "cuda" else min(LARGEST_BATCH, max(8, CPU_PIXELS // side**2))


def threads_on(params: ExtractParams) -> int:
    """Return the batches that are encoded at once on the CPU, one thread each."""
    if params.threads != "auto":
        return params.threads
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return usable_cores()


def usable_cores() -> int:
    """Return the cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux; a container's share of the cores
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def key_parts(params: ExtractParams, device: str, *, side: int) -> dict[str, Any]:
    """Return the parameters that determine the bytes of a store of images of `side` pixels."""
    parts = {
        "dtype": params.dtype,
        "batch_size": batch_size_on(params, device, side=side),
        "precision": precision_on(params, device),
        "device": device,
        "shard_rows": params.shard_rows,
        "codec": params.codec,
        "compile": params.compile,
    }
    if params.decode != "exact":  # absent by default, so that keys made before it existed hold
        parts["decode"] = params.decode
    if params.decode == "device":
        parts["torchcodec"] = importlib.metadata.version("torchcodec")
    return parts
