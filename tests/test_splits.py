"""Parquet files of several splits in one folder, as hubs lay them out, are not one data set."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.sources import SourceError, open_source, read_spec


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"image": [name.encode()], "label": [0]}).write_parquet(path / name)
    return path


def listed(path: object) -> list[str]:
    spec = read_spec("mine", {"source": "parquet", "path": str(path)})
    return [entry.path.partition("::")[0] for entry in open_source(spec).entries()]


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (
            ["train-00000-of-00002", "train-00001-of-00002", "test-0-of-1"],
            "train-*.parquet",
        ),
        (["foo-00000-of-00001-ea742e8cec99d6ca", "bar-00000-of-00001-0a"], "foo-*.parquet"),
        (["train.full-0000-of-0020", "validation-0000-of-0001"], "train.full-*.parquet"),
        (["train", "test"], "train*.parquet"),
        (["train_0", "train_1", "val_0"], "train*.parquet"),
    ],
)
def test_splits_beside_each_other_are_refused_with_the_pattern_of_one(names, pattern, tmp_path):
    path = folder(tmp_path, *(f"{name}.parquet" for name in names))

    with pytest.raises(SourceError, match=r"holds several splits of a data set: ") as told:
        listed(path)

    assert str(path / pattern) in str(told.value)
    own = [f"{name}.parquet" for name in names if name.startswith(pattern.partition("*")[0])]
    assert listed(path / pattern) == own
    assert listed(path / "*.parquet") == sorted(f"{name}.parquet" for name in names)


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002", "train-00001-of-00002"],
        ["train-00000-of-00001", "training-1", "extra"],
        ["a", "b", "test"],
        ["trains", "tests", "evaluated"],
        ["0000", "0001"],
    ],
)
def test_parts_of_one_split_or_of_none_are_one_set(names, tmp_path):
    assert len(listed(folder(tmp_path, *(f"{name}.parquet" for name in names)))) == len(names)
