"""The kind of processor that a CPU extraction ran on: another one gives other last bits.

Torch, oneDNN and MKL choose their code by the processor's maker and vector instructions, and sum
in another order on another one. Read without importing any of them: a run that finds every row
finished must not wait for torch.
"""

import functools
import os
import platform
from pathlib import Path

VECTORS = ("amx_tile", "avx512f", "avx2", "asimd")  # the widest first
# Variables by which a user makes the libraries take another processor's code.
CHOSEN = ("ATEN_CPU_CAPABILITY", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR")


def cpu_kind() -> dict[str, str]:
    """Return architecture, maker and widest vector instructions, and what limits them."""
    chosen = {name: os.environ[name] for name in CHOSEN if os.environ.get(name)}
    return {**_processor(), **chosen}


@functools.cache
def _processor() -> dict[str, str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return {"machine": platform.machine()}
    facts: dict[str, str] = {}
    for line in text.splitlines():  # of the last core
        name, _, value = line.partition(":")
        facts[name.strip()] = value.strip()
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    return {
        "machine": platform.machine(),
        "maker": facts.get("vendor_id") or facts.get("CPU implementer") or "unknown",
        "vectors": next((name for name in VECTORS if name in flags), "none"),
    }
