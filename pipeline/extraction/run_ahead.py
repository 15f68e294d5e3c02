"""Work of several threads, some of it ahead of who asks for it, in the order of asking."""

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_ahead(
    work: Callable[[Item], Result], items: Iterable[Item], *, threads: int, ahead: int
) -> Generator[Result, None, None]:
    """Yield `work(item)` of each item in order, up to `ahead` items before they are asked for.

    An error of the items is raised after the results of those before it. Torch gets one thread of
    arithmetic in each of these threads, since there are several of them.
    """
    failure = None
    remaining = iter(items)
    with ThreadPoolExecutor(threads, initializer=_one_torch_thread) as pool:
        waiting: deque[Any] = deque()
        try:
            while failure is None:
                try:
                    waiting.append(pool.submit(work, next(remaining)))
                except StopIteration:
                    break
                except Exception as error:
                    failure = error
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for task in waiting:
                task.cancel()
    if failure is not None:
        raise failure


def _one_torch_thread() -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
