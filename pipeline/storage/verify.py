"""Whole stores checked against their manifests; every damaged file is named."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.storage.manifest import MANIFEST, REPLACED, Damage, Manifest, StoreError, cure

TRIES = 3  # at a store that another process replaces while it is read


@dataclass(frozen=True)
class Verdict:
    """The state of one store."""

    store: Path
    bytes: int
    files: int
    problems: list[Damage]

    def line(self) -> str:
        """Return one line for a person."""
        if self.problems:
            return f"damaged  {self.store}: {'; '.join(map(str, self.problems))}"
        return f"good     {self.store}: {self.files} files, {self.bytes / 2**20:,.1f} MiB"


def verify_store(store: Path) -> Verdict:
    """Read every byte of a store and compare it with the manifest.

    A flipped byte, a missing, truncated, swapped or foreign file, and edited metadata are each
    found and named. A store that another process replaces in the meantime is read again.
    """
    for _ in range(TRIES):
        verdict, manifest = _verdict(store)
        if not verdict.problems or manifest is None or manifest.stands(store):
            return verdict
    return Verdict(store, 0, 0, [Damage("the store", REPLACED)])


def _verdict(store: Path) -> tuple[Verdict, Manifest | None]:
    """Read a store once; return what was found, and by which manifest."""
    try:
        manifest = Manifest.load(store)
    except StoreError as error:
        if not store.exists():
            return Verdict(store, 0, 0, [Damage("the store", "is missing")]), None
        what = str(error).split(f"{MANIFEST}: ", 1)[-1].split(f". {cure(store)}", 1)[0]
        return Verdict(store, 0, 0, [Damage(MANIFEST, what)]), None
    problems = manifest.check_listing(store)
    odd = {problem.file for problem in problems}
    problems += manifest.check_content(store, [name for name in manifest.files if name not in odd])
    size = sum(entry["bytes"] for entry in manifest.files.values())
    found = sorted(problems, key=lambda problem: problem.file)
    return Verdict(store, size, len(manifest.files), found), manifest


def find_stores(data: Path) -> list[Path]:
    """Return every store below a folder, sorted; also those whose manifest is gone."""
    found = {path for path in data.rglob("*.zarr") if path.is_dir() and path.name[0] != "."}
    return sorted(found)
