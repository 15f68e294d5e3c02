"""The whole pipeline by the clock: the first run of a clone, one with nothing to do, a switch.

    python -m benchmarks.pipeline [--scratch] [--switch mini_s] [--folder FOLDER] [OVERRIDE ...]

Clones the repository it stands in (what is committed, not what is edited) into a temporary folder,
links the environment at hand, and runs there `dvc repro` (the clone's seconds count with it), `dvc
repro` again, and `dvc exp run -S backbone=SWITCH`. Caches are the clone's own. Records in git are taken as done where what they
depend on comes out the same, so a first run computes images, models, features and scores but need
not evaluate them; `--scratch` removes the records first, and every stage is computed anew.
OVERRIDES (such as those of .ci/run) make a smaller run. Give an idle machine: half an hour is
enough, all cores are used.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
RUNNING = re.compile(r"^Running stage '([^'@]+)")  # up to the item of a matrix
SPARED = re.compile(r"^Stage '[^']+' (didn't change|is cached)")
GOALS = {"first run": 600.0, "pretrain": 300.0, "nothing to do": 6.0, "switch": 20.0}
GOAL_GIB = 3.0


@dataclass
class Run:
    """What one command of DVC did.

    Attributes:
        seconds: By the wall clock, all in all.
        processor: Seconds of all cores together.
        computed: Seconds by stage, over all its items, with DVC's own work on them.
        items: How many items of each stage ran.
        spared: How many items had not changed or came from the run cache.
    """

    seconds: float
    processor: float = 0.0
    computed: dict[str, float] = field(default_factory=dict)
    items: Counter[str] = field(default_factory=Counter)
    spared: int = 0


def read_run(lines: Iterable[tuple[float, str]], *, seconds: float) -> Run:
    """Share out the time of a run among stages: each has it until DVC turns to the next.

    Args:
        lines: DVC's output, each line with the seconds since the start.
        seconds: When the command ended.
    """
    run = Run(seconds)
    running, since = None, 0.0
    for now, line in (*lines, (seconds, "")):
        begun, spared = RUNNING.match(line), SPARED.match(line)
        if not begun and not spared and line:
            continue
        if running:
            run.computed[running] = run.computed.get(running, 0.0) + now - since
        running, since = (begun[1] if begun else None), now
        run.items.update([running] if running else [])
        run.spared += spared is not None
    return run


def recorded_reports(lock: str) -> list[str]:
    """Return the outputs of stages that are in git, by what dvc.lock says."""
    stages = yaml.safe_load(lock)["stages"].values()
    outs = {out["path"] for stage in stages for out in stage.get("outs", [])}
    return sorted(path for path in outs if path.startswith("reports/"))


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> Run:
    """Run a command of DVC, show its output, return what it did."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    lines = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append((time.perf_counter() - started, line))
            print(line, end="", file=sys.stderr)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with exit status {process.returncode}")
    run = read_run(lines, seconds=time.perf_counter() - started)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    run.processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return run


def clone(folder: Path, *, scratch: bool) -> tuple[dict[str, str], float]:
    """Clone the repository; return the environment of its commands and the seconds it took."""
    started = time.perf_counter()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    seconds = time.perf_counter() - started
    (folder / ".venv").symlink_to(Path(sys.prefix))
    if scratch:
        for name in recorded_reports((folder / "dvc.lock").read_text(encoding="utf-8")):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    own = {
        "PATH": f"{folder / '.venv/bin'}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        "OOD_CACHE_DIR": str(folder.parent / "cache"),
    }
    return os.environ | own, seconds


def table(runs: dict[str, Run], *, peak_gib: float, lock: str) -> str:
    """Return the figures as Markdown: the commands, then the stages of the first run."""
    first = runs["first run"]
    rows = [("what", "wall clock", "processor", "goal", ""), ("---",) * 5]
    rows += [_row(name, run.seconds, f"{run.processor:.0f} s") for name, run in runs.items()]
    rows.insert(3, _row("pretrain", first.computed.get("pretrain", 0.0), ""))
    verdict = "met" if peak_gib <= GOAL_GIB else "missed"
    rows.append(("largest process", f"{peak_gib:.2f} GiB", "", f"≤ {GOAL_GIB:g} GiB", verdict))
    rows.append(("lines of dvc.lock", f"{len(lock.splitlines()):,}", "", "", ""))
    items = [(name, f"{sum(run.items.values())} run", run.spared) for name, run in runs.items()]
    counts = "; ".join(f"{name}: {ran}, {spared} spared" for name, ran, spared in items)
    stages = [("stage of the first run", "items", "seconds"), ("---",) * 3]
    stages += [
        (name, str(first.items[name]), f"{seconds:.1f}")
        for name, seconds in sorted(first.computed.items(), key=lambda item: -item[1])
    ]
    parts = (
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        f"Items of stages: {counts}.",
        "\n".join(f"| {' | '.join(row)} |" for row in stages),
    )
    return "\n\n".join(parts)


def _row(name: str, seconds: float, processor: str) -> tuple[str, ...]:
    goal = GOALS[name]
    return (
        name,
        f"{seconds:.1f} s",
        processor,
        f"≤ {goal:g} s",
        "met" if seconds <= goal else "missed",
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", action="store_true", help="compute every stage anew")
    parser.add_argument("--switch", default="mini_s", help="backbone of the third run")
    parser.add_argument("--folder", type=Path, help="where the temporary folder goes")
    parser.add_argument("overrides", nargs="*", help="of params.yaml, for a smaller run")
    args = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name) / "clone"
        environment, cloned = clone(folder, scratch=args.scratch)
        if args.overrides:
            compose = [str(folder / ".venv/bin/python"), "-m", "stages.compose", *args.overrides]
            subprocess.run(compose, cwd=folder, env=environment, check=True)
        dvc = str(folder / ".venv/bin/dvc")
        # `dvc exp run` composes params.yaml anew, so that it needs the overrides too
        values = [f"backbone={args.switch}", *args.overrides]
        switch = [dvc, "exp", "run", *(part for value in values for part in ("-S", value))]
        runs = {"first run": timed([dvc, "repro"], folder, environment)}
        runs["first run"].seconds += cloned
        runs["nothing to do"] = timed([dvc, "repro"], folder, environment)
        runs["switch"] = timed(switch, folder, environment)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # Linux: KiB
        lock = (folder / "dvc.lock").read_text(encoding="utf-8")
    print(table(runs, peak_gib=peak, lock=lock))
    if args.overrides:
        print("\nA smaller run, by its overrides: the goals are meant for the full one.")


if __name__ == "__main__":
    main()
