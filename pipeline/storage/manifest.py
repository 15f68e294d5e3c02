"""The manifest inside a store: which files it has, with size and sha256 of each.

Zarr returns fill values for a shard that is missing, and its crc32c cannot tell two swapped
shards apart, so a store is only read through this list. (The crc32c of a whole shard file would
not help either: the checksum of data followed by its own checksum is a constant.)
"""

import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.files import file_hash
from pipeline.json_text import json_digest
from pipeline.name_lists import first_and_more

MANIFEST = "manifest.json"
REPLACED = "was replaced while it was read; run again"
PAUSE = 0.1  # seconds; a store that is replaced is gone for the instant between two renames


class StoreError(ValueError):
    """A store is damaged, incomplete, or not what its reader expected."""


@dataclass(frozen=True)
class Damage:
    """One damaged file of a store and what is wrong with it."""

    file: str
    what: str

    def __str__(self) -> str:
        """Return `features/c/3/0: is missing`."""
        return f"{self.file}: {self.what}"


@dataclass(frozen=True)
class Manifest:
    """What a store must contain."""

    arrays: dict[str, dict[str, Any]]  # name -> {shape, dtype}
    files: dict[str, dict[str, Any]]  # relative path -> {bytes, sha256}
    text: str = field(default="", compare=False, repr=False)  # of the file it was read from

    @classmethod
    def measure(cls, store: Path, arrays: dict[str, dict[str, Any]]) -> "Manifest":
        """List and hash the files of a store just written."""
        names = [name for name in stored_files(store) if name != MANIFEST]
        with ThreadPoolExecutor(threads()) as pool:
            hashes = pool.map(lambda name: file_hash(store / name), names)
            files = {
                name: {"bytes": (store / name).stat().st_size, "sha256": digest}
                for name, digest in zip(names, hashes, strict=True)
            }
        return cls(arrays=arrays, files=files)

    @classmethod
    def load(cls, store: Path) -> "Manifest":
        """Read a store's manifest.

        Raises:
            StoreError: If there is none, or it was changed since it was written.
        """
        try:
            text = _text(store)
            body = json.loads(text)
            manifest = cls(arrays=body["arrays"], files=body["files"], text=text)
            intact = body["sha256"] == manifest.digest()
        except FileNotFoundError:
            if not store.exists():
                raise StoreError(f"there is no store at {store}; {cure(store)}") from None
            raise StoreError(damaged(store, [Damage(MANIFEST, "is missing")])) from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            what = f"cannot be read ({type(error).__name__})"
            raise StoreError(damaged(store, [Damage(MANIFEST, what)])) from None
        if not intact:
            raise StoreError(damaged(store, [Damage(MANIFEST, "was changed after it was written")]))
        return manifest

    def digest(self) -> str:
        """Return the sha256 of the content, which the manifest itself carries."""
        return json_digest({"arrays": self.arrays, "files": self.files})

    def save(self, store: Path) -> None:
        """Write the manifest into its store."""
        body = {"arrays": self.arrays, "files": self.files, "sha256": self.digest()}
        with (store / MANIFEST).open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(body, sort_keys=True, indent=1) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def stands(self, store: Path) -> bool:
        """Return whether the manifest that was read still is the store's.

        A store is replaced as a whole, and its manifest lists the hash of every file.
        """
        try:
            return _text(store) == self.text
        except (OSError, ValueError):
            return False

    def fault(self, store: Path, problems: list[Damage]) -> StoreError:
        """Return the error for files that are not what they should be, for whichever reason."""
        if problems and self.stands(store):
            return StoreError(damaged(store, problems))
        return StoreError(f"the store {store} {REPLACED}")

    def check_listing(self, store: Path) -> list[Damage]:
        """Return missing files, files too many, and files of another size: no content is read."""
        found = set(stored_files(store)) - {MANIFEST}
        problems = [Damage(name, "is missing") for name in sorted(set(self.files) - found)]
        problems += [
            Damage(name, "does not belong to the store") for name in sorted(found - set(self.files))
        ]
        for name in sorted(found & set(self.files)):
            expected = self.files[name]["bytes"]
            try:
                size = (store / name).stat().st_size
            except OSError as error:  # a link to nowhere
                problems.append(Damage(name, f"cannot be read ({error.strerror})"))
                continue
            if size != expected:
                problems.append(Damage(name, f"has {size} bytes and should have {expected}"))
        return problems

    def check_content(self, store: Path, names: Iterable[str]) -> list[Damage]:
        """Return the named files whose bytes do not have their sha256; in threads."""

        def check(name: str) -> Damage | None:
            try:
                same = file_hash(store / name) == self.files[name]["sha256"]
            except OSError as error:
                return Damage(name, f"cannot be read ({error.strerror})")
            return None if same else Damage(name, "does not match its checksum")

        names = list(names)
        if len(names) == 1:
            return [problem for problem in [check(names[0])] if problem]
        with ThreadPoolExecutor(threads()) as pool:
            return [problem for problem in pool.map(check, names) if problem]


def _text(store: Path) -> str:
    try:
        return (store / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        time.sleep(PAUSE)
        return (store / MANIFEST).read_text(encoding="utf-8")


def stored_files(store: Path) -> list[str]:
    """Return every file under a store as sorted paths relative to it, with '/'."""
    return sorted(
        (Path(folder) / name).relative_to(store).as_posix()
        for folder, _, names in os.walk(store)
        for name in names
    )


def threads() -> int:
    """Return how many files are hashed at once."""
    return min(16, os.cpu_count() or 1)


def damaged(store: Path, problems: list[Damage]) -> str:
    """Return the message that names the store, its damaged files and the cure."""
    listed = first_and_more([str(problem) for problem in problems], shown=5, between="; ")
    return f"the store {store} is damaged: {listed}. {cure(store)}"


def cure(store: Path) -> str:
    """Return how to get a good store again."""
    if store.parent.parent.name == "features":
        stage = f"extract@{store.parent.name}-{store.stem}"
    elif store.parent.name == "text":
        stage = f"encode_text@{store.stem}"
    else:
        return (
            "no stage writes a store of this path: mend it (stores are "
            "data/features/<backbone>/<dataset>.zarr and data/text/<backbone>.zarr), or copy the "
            "store again from where it came"
        )
    return (
        f"`dvc checkout --force {store}` restores DVC's copy, `dvc repro -f {stage}` computes it "
        "anew, `python -m stages.verify` looks over all stores"
    )
