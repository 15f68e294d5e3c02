"""How a stage ends: what went wrong with files, parameters or data is one line, not a traceback."""

import sys
from collections.abc import Callable

# Kinds of error that say what must hold and what was given; their subclasses are our own errors.
TOLD = (ValueError, KeyError, OSError, RuntimeError, FloatingPointError, ModuleNotFoundError)
BUGS = (NotImplementedError, RecursionError)  # though Python counts them as RuntimeError


def run_stage(main: Callable[[], None]) -> None:
    """Call the main function of a stage; end with ``error: …`` on stderr and status 1 if it fails.

    Other errors (TypeError, AssertionError, AttributeError, IndexError, a KeyError that only names
    a key) are mistakes of this code, and keep their traceback.

    Args:
        main: Parses the arguments, runs and writes.

    Raises:
        SystemExit: In place of an error that tells the user what to mend.
    """
    try:
        main()
    except TOLD as error:
        if isinstance(error, BUGS) or _is_lookup(error):
            raise
        sys.exit(f"error: {told(error)}")


def told(error: BaseException) -> str:
    """Return the message of an error, then the notes that were added to it on the way."""
    message = error.args[0] if isinstance(error, KeyError) else str(error)
    return "; ".join((message or type(error).__name__, *getattr(error, "__notes__", ())))


def _is_lookup(error: BaseException) -> bool:
    """Whether a dictionary lacked a key: ours are sentences."""
    if not isinstance(error, KeyError):
        return False
    return not (error.args and isinstance(error.args[0], str) and " " in error.args[0])
