"""Work on all cores with one BLAS thread each: what is computed does not depend on their number."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any


@cache
def _blas() -> Any:
    """The BLAS of NumPy, and others that are loaded by now."""
    from threadpoolctl import ThreadpoolController  # late: not every reader of arrays computes

    return ThreadpoolController().select(user_api="blas")


def lane_count() -> int:
    """How many threads BLAS may use (OMP_NUM_THREADS)."""
    return max((library["num_threads"] for library in _blas().info()), default=1)


def run_lanes(work: Callable[[int], object], lanes: int) -> None:
    """Call the work with 0 .. lanes-1, each on a core of its own with one BLAS thread."""
    with open_lanes(lanes) as run:
        run(work)


@contextmanager
def open_lanes(lanes: int) -> Iterator[Callable[[Callable[[int], object]], object]]:
    """Yield what calls one work after another with 0 .. lanes-1, as `run_lanes` does.

    Several threads of BLAS cut the rows of a product among them, some kernels where a row then
    gets other last bits than its neighbour; one thread does not.
    """

    def in_turn(work: Callable[[int], object]) -> None:
        for lane in range(lanes):
            work(lane)

    if lane_count() == 1:
        yield in_turn
        return
    with _blas().limit(limits=1):
        if lanes == 1:
            yield in_turn
            return
        with ThreadPoolExecutor(lanes) as pool:
            yield lambda work: deque(pool.map(work, range(lanes)), maxlen=0)
