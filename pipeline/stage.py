"""How a stage ends: what went wrong with files, parameters or data is one line, not a traceback."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from pipeline.files import FULL

# Kinds of error that say what must hold and what was given; their subclasses are our own errors.
TOLD = (ValueError, KeyError, OSError, RuntimeError, FloatingPointError, ModuleNotFoundError)
BUGS = (NotImplementedError, RecursionError)  # though Python counts them as RuntimeError
_NOTHING_KEPT = "what was not finished is not kept, run the same command again"


class _Terminated(SystemExit):
    """SIGTERM came: as an exception, so that what is open is closed and left as it should be."""


def run_stage(
    main: Callable[[], None],
    *,
    kept: str = "",
    memory: str = "",
) -> None:
    """Call the main function of a stage; end with ``error: …`` on stderr and status 1 if it fails.

    Ctrl-C ends it with status 130 and SIGTERM with 143, as they would end any program, and with one
    line that says what is kept. Other errors (TypeError, AssertionError, AttributeError,
    IndexError, a KeyError that only names a key) are mistakes of this code, and keep their
    traceback. A main function that does one of several things may call this again with one of them:
    what is kept, and what saves memory, is then told of that one.

    Args:
        main: Parses the arguments, runs and writes.
        kept: What an interrupted run leaves behind for the next, where it leaves anything.
        memory: Which parameter makes the stage need less memory, and how.

    Raises:
        SystemExit: In place of an error that tells the user what to mend.
    """
    try:
        with _sigterm_raised():
            main()
    except KeyboardInterrupt:
        _leave(f"interrupted; {kept or _NOTHING_KEPT}", 130)
    except _Terminated:
        _leave(f"terminated; {kept or _NOTHING_KEPT}", 143)
    except (*TOLD, MemoryError) as error:
        if isinstance(error, BUGS) or _is_lookup(error):
            raise
        sys.exit(f"error: {explained(error, kept=kept, memory=memory)}")


def explained(error: BaseException, *, kept: str = "", memory: str = "") -> str:
    """Return what is told of an error; where disk or memory did not suffice, the cure with it."""
    message, cures = told(error), ()
    if isinstance(error, OSError) and error.errno in FULL:
        where = f" at {error.filename}" if error.filename else ""
        message = message.replace(str(error), f"the disk is full{where} ({error.strerror})")
        cures = ("free some space", kept)
    elif isinstance(error, MemoryError) or "out of memory" in message:
        cures = (memory, kept)
    return "; ".join(part for part in (message, *cures) if part)


def told(error: BaseException) -> str:
    """Return the message of an error, then the notes that were added to it on the way."""
    message = error.args[0] if isinstance(error, KeyError) else str(error)
    return "; ".join((message or type(error).__name__, *getattr(error, "__notes__", ())))


@contextmanager
def _sigterm_raised() -> Iterator[None]:
    """Raise `_Terminated` in the main thread, the only one that may ask for signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(*_: object) -> NoReturn:
        raise _Terminated(143)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(message: str, status: int) -> NoReturn:
    print(message, file=sys.stderr, flush=True)
    raise SystemExit(status) from None


def _is_lookup(error: BaseException) -> bool:
    """Whether a dictionary lacked a key: ours are sentences."""
    if not isinstance(error, KeyError):
        return False
    return not (error.args and isinstance(error.args[0], str) and " " in error.args[0])
