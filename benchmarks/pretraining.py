"""Time, memory and accuracy of pretraining the family, one process after another.

    python -m benchmarks.pretraining

Runs `stages.pretrain` for every model of conf/models/mini.yaml into a temporary folder. CPU seconds
divided by the threads are what the wall clock shows on cores that nothing else uses.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

CONF = Path("conf/models/mini.yaml")


def measure(backbone, folder, *, environment):
    """Pretrain one model; return its record and its wall and CPU seconds."""
    weights = folder / "weights" / backbone
    command = [sys.executable, "-m", "stages.pretrain", backbone, str(weights)]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads((weights / "weights.json").read_text(encoding="utf-8")), wall, cpu


def main():
    conf = yaml.safe_load(CONF.read_text(encoding="utf-8"))
    threads = conf["pretrain"]["threads"] or os.cpu_count()
    print("| model | steps | wall s | CPU s / threads | zero-shot | 20-NN |")
    print("| --- | --- | --- | --- | --- | --- |")
    totals = [0.0, 0.0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "params.yaml").write_text(CONF.read_text(encoding="utf-8"), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        for backbone in conf["models"]:
            record, wall, cpu = measure(backbone, folder, environment=environment)
            totals = [totals[0] + wall, totals[1] + cpu / threads]
            print(
                f"| {backbone} | {record['steps']} | {wall:.0f} | {cpu / threads:.0f} | "
                f"{record['zero_shot']:.3f} | {record['knn_20']:.3f} |",
                flush=True,
            )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"| all | | {totals[0]:.0f} | {totals[1]:.0f} | | |")
    print(f"\nPeak memory of a process: {peak:.2f} GiB; {threads} threads.")


if __name__ == "__main__":
    main()
