"""Open archives, shared by all copies of a source in one process, never between processes.

Opening a large archive means reading its directory; a forked child must not share a file
position with its parent.
"""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Handle = TypeVar("Handle")

KEPT = 64  # open at once; a data set may have a thousand shards
_LOCK = threading.RLock()
_OPEN: "OrderedDict[tuple[Any, ...], Any]" = OrderedDict()


def _forget() -> None:
    """In a forked child: another thread of the parent may have held the lock."""
    global _LOCK
    _LOCK = threading.RLock()
    _OPEN.clear()


os.register_at_fork(after_in_child=_forget)


def shared(path: Path, make: Callable[[Path], Handle]) -> Handle:
    """What ``make`` returns for a file, made once a process unless the file changes.

    The handles not used for longest are let go; whoever still holds one can go on using it.
    """
    status = path.stat()
    key = (os.getpid(), make, str(path.absolute()), status.st_size, status.st_mtime_ns)
    with _LOCK:
        if key not in _OPEN:
            _OPEN[key] = make(path)
            while len(_OPEN) > KEPT:
                _OPEN.popitem(last=False)
        _OPEN.move_to_end(key)
        return _OPEN[key]
