"""Speed of indexing, and size and speed of a large index.

    python -m benchmarks.indexing [--files 20000] [--rows 1281167]

Lists a folder of small files (files/s; goal 20,000), reads and hashes larger ones against a plain
read of the same files by as many threads (goal 0.7; cold where the page cache can be dropped, as
root), and opens an index of ImageNet's size (goal 1 s and 500 MiB). Prints one table.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl

from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import write_index
from pipeline.indexing.indexing import IndexParams, build_index, list_images
from pipeline.sources import read_spec

OPENING = """
import sys, time
from pathlib import Path
from pipeline.datasets.index import read_index
def peak():  # of this process alone; ru_maxrss would begin with the parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM"))) / 1024
before, start = peak(), time.perf_counter()
rows = len(read_index(Path(sys.argv[1])))
print(rows, time.perf_counter() - start, peak(), peak() - before)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1_281_167)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to write the test files")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        listing(Path(scratch) / "small", args.files, args.repeats)
        hashing(Path(scratch) / "photos", args.repeats)
        opening(Path(scratch) / "index.parquet", args.rows)


def listing(root: Path, count: int, repeats: int) -> None:
    """Files in 100 class folders, neither hashed nor decoded."""
    for number in range(count):
        path = root / f"class_{number % 100:03d}" / f"image_{number:07d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    params = IndexParams(hash=False, verify_images=False)
    seconds = min(index_seconds(root, params) for _ in range(repeats))
    print(f"list {count:,} files, no hash        {count / seconds:>12,.0f} files/s  (goal 20,000)")


def hashing(root: Path, repeats: int) -> None:
    """2,000 files of 110 kB, the mean size of an ImageNet photo, against a plain read of them."""
    rng = np.random.default_rng(0)
    root.mkdir()
    paths = [root / f"{number:04d}.jpg" for number in range(2000)]
    for path in paths:
        path.write_bytes(rng.bytes(110_000))
    megabytes = len(paths) * 110_000 / 1e6
    params = IndexParams(hash=True, verify_images=False)
    plain, hashed, cold = [], [], True
    for _ in range(repeats):  # in turns, so that a busy machine is busy for both
        cold &= drop_page_cache()
        plain.append(read_seconds(paths))
        cold &= drop_page_cache()
        hashed.append(index_seconds(root, params))
    state = "cold" if cold else "warm"
    print(f"plain read, 110 kB files, {state}  {megabytes / min(plain):>12,.0f} MB/s")
    print(f"index with hash, {state}           {megabytes / min(hashed):>12,.0f} MB/s")
    ratio = min(plain) / min(hashed)
    print(f"ratio                          {ratio:>12.2f}          (goal 0.7)")


def opening(path: Path, rows: int) -> None:
    """An index of a training set's size, opened in a process of its own."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, 1000, rows))
    digests = [os.urandom(32).hex() for _ in range(rows)]
    table = pl.DataFrame(
        {
            "path": [f"n{label:08d}/n{label:08d}_{row}.JPEG" for row, label in enumerate(labels)],
            "label": labels,
            "class_name": [f"n{label:08d}" for label in labels],
            "sha256": digests,
        }
    ).with_columns(error=pl.lit(None, dtype=pl.String))
    write_index(path, table)
    answer = subprocess.run(
        [sys.executable, "-c", OPENING, str(path)], capture_output=True, text=True, check=True
    )
    count, seconds, peak, grown = map(float, answer.stdout.split())
    print(
        f"open {count:,.0f} rows           {seconds:>12.2f} s        (goal 1)\n"
        f"its peak memory                {peak:>12.0f} MiB      (goal 500), {grown:.0f} MiB above "
        f"the imports; {path.stat().st_size / 2**20:.0f} MiB on disk"
    )


def index_seconds(root: Path, params: IndexParams) -> float:
    start = time.perf_counter()
    spec = read_spec("benchmark", {"path": str(root), "classes": True})
    entries, classes, source = list_images("benchmark", spec)
    build_index(entries, classes, source, params=params, images=ImageParams())
    return time.perf_counter() - start


def read_seconds(paths: list[Path]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(4 * (os.cpu_count() or 1)) as pool:
        for _ in pool.map(Path.read_bytes, paths):
            pass
    return time.perf_counter() - start


def drop_page_cache() -> bool:
    """Make the next read come from the disk; needs root."""
    os.sync()
    with contextlib.suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("1")
        return True
    return False


if __name__ == "__main__":
    main()
