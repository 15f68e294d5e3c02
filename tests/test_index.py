"""The index file: rows in order, excluded images without a number, the same bytes twice."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.datasets.index import SCHEMA, IndexFileError, read_excluded, read_index, write_index


def table(errors: list[str | None]) -> pl.DataFrame:
    n = len(errors)
    return pl.DataFrame(
        {
            "path": [f"c/{i}.png" for i in range(n)],
            "label": [0] * n,
            "class_name": ["c"] * n,
            "sha256": ["00"] * n,
            "error": pl.Series(errors, dtype=pl.String),
        }
    )


def test_excluded_images_keep_their_place_and_get_no_row(tmp_path: Path):
    write_index(tmp_path / "i.parquet", table([None, "broken", None]))

    index = read_index(tmp_path / "i.parquet")

    assert index.schema == SCHEMA
    assert index["row"].to_list() == [0, 1]
    assert index["path"].to_list() == ["c/0.png", "c/2.png"]
    assert read_excluded(tmp_path / "i.parquet").rows() == [("c/1.png", "broken")]
    assert pl.read_parquet(tmp_path / "i.parquet")["row"].to_list() == [0, None, 1]


def test_further_columns_are_kept_and_bytes_repeat(tmp_path: Path):
    for name in ("a.parquet", "b.parquet"):
        write_index(tmp_path / name, table([None, None]).with_columns(psnr=pl.lit(30.0)))

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_index(tmp_path / "a.parquet").columns == [*SCHEMA, "psnr"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.parquet", "b.parquet"]


def test_a_missing_damaged_or_foreign_file_is_refused_with_the_cure(tmp_path: Path):
    with pytest.raises(IndexFileError, match="no index .*index the data set again"):
        read_index(tmp_path / "none.parquet")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(IndexFileError, match="no readable Parquet"):
        read_index(tmp_path / "cut.parquet")
    table([None]).write_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(IndexFileError, match="no column 'row'"):
        read_index(tmp_path / "foreign.parquet")
    write_index(tmp_path / "gap.parquet", table([None, None, None]))
    gap = pl.read_parquet(tmp_path / "gap.parquet").filter(pl.col("row") != 1)
    gap.write_parquet(tmp_path / "gap.parquet")
    with pytest.raises(IndexFileError, match="must be 0 to 1, each once"):
        read_index(tmp_path / "gap.parquet")
