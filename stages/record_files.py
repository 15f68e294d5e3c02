"""Record what the data sets that are read in place are made of: sizes and times of their files.

    python -m stages.record_files FILES

Reads   params.yaml  the entries of matrix.indexed under datasets, data_root, fixed_sets
        their files  names, sizes and times only
Writes  FILES        folder with DATASET.json: entry, files, bytes, state; that of benchmark.id_test
                     also training, the state of id_train, whose classes its labels are places in

DVC runs this stage every time, for somebody may have added, removed or replaced images, or edited a
list of labels; a data set is indexed again only where its record came out another one. A data set
that is out of reach keeps its record, and so does one of fixed_sets: what is known of it stands
until somebody can look, or wants to.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from pipeline.files import write_text
from pipeline.indexing.file_records import (
    FileRecord,
    NoFilesError,
    entry_digest,
    file_record,
    read_record,
)
from pipeline.params import read_params
from pipeline.sources import SourceError, read_spec
from pipeline.stage import run_stage


def run(params: dict[str, Any], folder: Path) -> dict[str, FileRecord]:
    """Return the record of each data set in place; see the module docstring."""
    fixed, data_root = params["fixed_sets"], params["data_root"]
    found = {}
    for name in params["matrix"]["indexed"]:
        values = params["datasets"][name]
        entry = entry_digest(values, data_root=data_root)
        earlier = read_record(folder / f"{name}.json", entry)
        if earlier and (fixed == "all" or name in fixed):
            found[name] = earlier
            continue
        try:
            spec = read_spec(name, values, data_root=Path(data_root or "."))
        except SourceError as error:  # a path that is not there, or may not be read
            found[name] = _out_of_reach(name, error, earlier)
            continue
        try:
            found[name] = file_record(spec, entry)
        except (OSError, NoFilesError) as error:  # a lost share, an empty mount point
            found[name] = _out_of_reach(name, error, earlier)
    return found


def _out_of_reach(name: str, error: Exception, earlier: FileRecord | None) -> FileRecord:
    if earlier is None:
        raise error
    print(
        f"warning: {name} is out of reach, so its index stays as it is: {error}",
        file=sys.stderr,
        flush=True,
    )
    return earlier


def write(records: dict[str, FileRecord], folder: Path, *, roles: dict[str, Any]) -> None:
    """Write one file a data set; remove those of other data sets."""
    folder.mkdir(parents=True, exist_ok=True)
    training = records.get(roles["id_train"])
    for name, record in records.items():
        test = training is not None and name == roles["id_test"]
        further = {"training": training.state} if training and test else {}
        write_text(folder / f"{name}.json", record.text(**further))
    for path in folder.iterdir():
        if path.stem not in records:
            path.unlink()


def main() -> None:
    """Read the parameters, look at the files, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", type=Path)
    args = parser.parse_args()

    params = read_params()
    records = run(params, args.files)
    write(records, args.files, roles=params["benchmark"])
    for name, record in records.items():
        print(f"{name}: {record.files:,} files, {record.bytes:,} bytes")


if __name__ == "__main__":
    run_stage(main)
