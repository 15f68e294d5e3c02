"""How much memory is free on this machine."""

import os
from pathlib import Path


def free_bytes() -> int:
    """Return the memory that a process may take without swapping, in bytes.

    Linux tells it, and a container's own limit counts; elsewhere half of what is installed.
    """
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (Path("/sys/fs/cgroup") / f"memory.{name}" for name in ("max", "current"))
    if limit.exists() and used.exists() and (allowed := limit.read_text().strip()) != "max":
        free = min(free, max(0, int(allowed) - int(used.read_text())))
    return free
