"""What is encoded ahead waits in the side cache: the set's own stage needs no model."""

import shutil
from pathlib import Path

import pytest
import yaml
from extraction_world import MatrixEncoder, World, same_bytes

from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import write_index
from pipeline.extraction.decoding import ChangedFileError
from pipeline.extraction.extract_ahead import extract_ahead, small_datasets
from pipeline.extraction.extract_params import ExtractParams
from pipeline.extraction.extract_store import Extraction, extract_store
from pipeline.sources import load_spec, open_source

ENTRY = {"loader": "timm", "name": "matrix"}
PARAMS = ExtractParams(device="cpu", batch_size=32, ahead=70)


def refuse(device: str) -> MatrixEncoder:
    raise AssertionError(f"the model was loaded on {device} again")


@pytest.fixture
def two_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Two data sets of the same pictures, `one` and `two`, indexed beside each other."""
    world = World.make(tmp_path, 70)
    (tmp_path / "indexes").mkdir()
    for name in ("one", "two"):
        shutil.copy(tmp_path / "index.parquet", tmp_path / "indexes" / f"{name}.parquet")
    folder = {"source": "folder", "path": str(tmp_path / "images")}
    params = {"datasets": {"one": folder, "two": folder}, "data_root": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OOD_CACHE_DIR", str(tmp_path / "cache"))
    return world


def extraction(world: World, dataset: str, params: ExtractParams = PARAMS) -> Extraction:
    return Extraction(
        "matrix",
        dataset,
        index=world.index,
        weights=world.root / "weights",
        entry=ENTRY,
        source=open_source(load_spec(dataset)),
        params=params,
        images=ImageParams(),
    )


def ahead(world: World, params: ExtractParams = PARAMS) -> list[str]:
    return extract_ahead(
        extraction(world, "one", params),
        index=world.root / "indexes/one.parquet",
        store=world.root / "features/one.zarr",
        encoder=MatrixEncoder(),
    )


def extract_two(world: World, store: str, load) -> None:
    extract_store(extraction(world, "two"), world.root / store, load=load)


def test_its_own_stage_finds_every_row_and_writes_the_same_bytes(two_sets):
    extract_two(two_sets, "features/plain.zarr", lambda _: MatrixEncoder())

    assert ahead(two_sets) == ["two"]
    extract_two(two_sets, "features/two.zarr", refuse)

    plain, found = (two_sets.root / f"features/{name}.zarr" for name in ("plain", "two"))
    assert same_bytes(plain, found)
    assert list((two_sets.root / "cache/unfinished").iterdir()) == []


def test_a_store_that_stands_is_left_alone(two_sets):
    extract_two(two_sets, "features/two.zarr", lambda _: MatrixEncoder())

    assert ahead(two_sets) == []
    assert list((two_sets.root / "cache/unfinished").iterdir()) == []


def test_only_small_sets_go_ahead(two_sets):
    index = two_sets.root / "indexes/one.parquet"

    assert list(small_datasets(index, largest=70)) == ["two"]
    assert list(small_datasets(index, largest=69)) == []
    write_index(index.with_name("none.parquet"), two_sets.index.head(0))  # nothing to encode
    assert list(small_datasets(index, largest=70)) == ["two"]
    assert ahead(two_sets, params=ExtractParams(device="cpu", ahead=0)) == []


def test_a_set_that_cannot_be_read_is_left_to_its_own_stage(two_sets):
    for path in (two_sets.root / "images").rglob("*.png"):
        path.write_bytes(b"no image any more")

    assert ahead(two_sets) == []
    with pytest.raises(ChangedFileError, match="a/00000.png"):
        extract_two(two_sets, "features/two.zarr", lambda _: MatrixEncoder())
