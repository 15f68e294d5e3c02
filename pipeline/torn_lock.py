"""dvc.lock given back where DVC was killed while it wrote it.

After every stage DVC writes the whole file anew, in place; killed then, it leaves half of it, and
no DVC command starts any more. What was committed last is enough to go on: stages that finished
since come out of DVC's cache, by what they were made of.
"""

import subprocess
from pathlib import Path

import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.strictyaml import YAMLValidationError, validate

from pipeline.files import write_text

CONFLICT = "<<<<<<< "  # of a merge: both sides are there, and the user's to choose from


def mend_lock(path: Path = Path("dvc.lock")) -> bool:
    """Put the last committed lock file in place of one that DVC cannot read; True if it was.

    Raises:
        ValueError: If a merge left its marks in the file, or git holds no whole one.
    """
    if not path.is_file() or readable(text := path.read_bytes().decode(errors="replace")):
        return False
    if CONFLICT in text:
        raise ValueError(
            f"{path} has the conflict of a merge in it, which DVC cannot read; take one side of it "
            f"(git checkout --theirs {path})"
        )
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"],
        cwd=path.parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if committed.returncode or not readable(committed.stdout):
        raise ValueError(
            f"{path} is damaged, DVC was killed while it wrote it, and git has no whole one; "
            "remove it, what finished comes out of DVC's cache"
        )
    write_text(path, committed.stdout)
    return True


def readable(text: str) -> bool:
    """Tell whether DVC can read a lock file of this text."""
    try:
        validate(yaml.load(text, Loader=yaml.CSafeLoader), COMPILED_LOCKFILE_SCHEMA)
    except (yaml.YAMLError, YAMLValidationError):
        return False
    return True
