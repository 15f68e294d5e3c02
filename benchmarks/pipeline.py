"""The whole pipeline by the clock: the first run of a clone, one with nothing to do, a switch.

    python -m benchmarks.pipeline [--scratch] [--switch mini_s] [--folder FOLDER] [OVERRIDE ...]

Clones the repository it stands in (what is committed, not what is edited) into a temporary folder,
links the environment at hand, and runs there `dvc repro` (the clone's seconds count with it), `dvc
repro` again, and `dvc exp run -S backbone=SWITCH`. Caches are the clone's own. Records in git are
taken as done where what they depend on comes out the same, so a first run computes images, models,
features and scores but need not evaluate them; `--scratch` removes the records first, and every
stage is computed anew. OVERRIDES (such as those of .ci/run) make a smaller run. Give an idle
machine: half an hour is enough, all cores are used.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.pipeline_figures import Run, read_run, recorded_reports, table

ROOT = Path(__file__).resolve().parents[1]


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
