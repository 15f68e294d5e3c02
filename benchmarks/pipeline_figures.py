"""What a command of DVC did, read from its lines, and the table of the pipeline's figures."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import yaml

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
