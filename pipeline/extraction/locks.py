"""One writer at a time, and the latest run owns the output, whatever orphans still do."""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.file_lock import StillHeldError, only_one
from pipeline.files import write_text


class CacheError(RuntimeError):
    """Work that cannot go on for now; what is finished is kept."""


@contextmanager
def one_writer(
    lock: Path,
    *,
    what: str,
    timeout: float,
    doing: str = "extracted",
    limit: str = "extract.lock_timeout",
) -> Iterator[None]:
    """Hold a lock in the side cache that the system releases when its process dies.

    Args:
        lock: The lock file; it stays.
        what: What is locked, for the message.
        timeout: Seconds to wait for another holder; negative waits for ever.
        doing: What is done to it, for the message.
        limit: What sets `timeout`, for the message.

    Raises:
        CacheError: If another process still holds it after `timeout` seconds.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(only_one(lock, doing=f"{what} is being {doing}", timeout=timeout))
        except StillHeldError as error:
            raise CacheError(f"{error} ({limit}): wait for it or stop it") from None
        yield


@contextmanager
def claim(folder: Path, output: Path) -> Iterator["Claim"]:
    """Declare that this run writes `output`; a later claim takes it over."""
    owned = Claim(folder, output)
    try:
        yield owned
    finally:
        owned.release()


class Claim:
    """The right to move a finished store into place: the last one who asked has it.

    DVC deletes a stage's outputs and starts it anew even where an orphan of the last run is still
    at work, perhaps with older parameters. The orphan finds its claim gone and writes nothing.
    """

    def __init__(self, folder: Path, output: Path) -> None:
        """Take the claim on `output`; notes lie in `folder`."""
        place = output.resolve()
        # hashed, as a disk holds names of 255 bytes and paths of 4,096
        self.note = folder / f"{hashlib.sha256(os.fsencode(place)).hexdigest()}.json"
        self.output = output
        self.token = f"{os.getpid()}-{secrets.token_hex(8)}"
        write_text(self.note, json.dumps({"output": str(place), "run": self.token}))

    def held(self) -> bool:
        """Return whether no later run has claimed the output."""
        try:
            return json.loads(self.note.read_text(encoding="utf-8"))["run"] == self.token
        except (OSError, ValueError, KeyError):
            return False

    def check(self) -> None:
        """Raise CacheError if a later run has taken over."""
        if not self.held():
            raise CacheError(
                f"a later run has taken over {self.output}; this one stops, "
                "what it finished is kept"
            )

    def release(self) -> None:
        """Give the claim back if it is still ours."""
        if self.held():
            self.note.unlink(missing_ok=True)
