"""Real photos, a real network and real processes: folders in, report out."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pipeline.code_closure import ROOT

DATA = ROOT / "../shared/data"
ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
VEHICLES = ("airplane", "automobile", "ship", "truck")


def unpack(archive: str, folder: Path, classes: tuple[str, ...] | None, count: int) -> Path:
    """Write the first `count` pictures of each class of an archive as files."""
    taken: dict[str, int] = {}
    with zipfile.ZipFile(DATA / archive) as members:
        for name in sorted(members.namelist()):
            kind = Path(name).parent.name
            if name.endswith("/") or (classes and kind not in classes):
                continue
            taken[kind] = taken.get(kind, 0) + 1
            if taken[kind] <= count:
                path = folder / kind / Path(name).name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(members.read(name))
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The repository's own files in a repository of their own, without their caches."""
    folder = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().rstrip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a module of this environment there."""
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": path, "HOME": str(folder), "DVC_NO_ANALYTICS": "1"},
    )


@pytest.mark.long
@pytest.mark.real_data
@pytest.mark.skipif(not DATA.is_dir(), reason="needs the photos and weights in ../shared/data")
def test_animals_against_vehicles_textures_and_flowers(clone, tmp_path):
    """MobileNetV2 tells CIFAR's animals from its vehicles; text methods say why they are absent."""
    sets = {
        "id_train": unpack(
            "cifar10/cifar10_train_first1000perclass_jpeg.zip", tmp_path / "a", ANIMALS, 30
        ),
        "id_test": unpack("cifar10/cifar10_test_10k_jpeg.zip", tmp_path / "b", ANIMALS, 10),
    }
    vehicles = unpack("cifar10/cifar10_test_10k_jpeg.zip", tmp_path / "c", VEHICLES, 10)
    flowers = unpack("flowers5/flowers5_300perclass_128.zip", tmp_path / "d", None, 8)
    weights = DATA / "weights/mobilenetv2_100_in1k.safetensors"
    composed = call(
        clone,
        "stages.compose",
        "benchmark=folders",
        "backbone=mobilenet",
        "study=single",
        f"models.mobilenet.checkpoint={weights.resolve()}",
        *(f"datasets.{name}.path={path}" for name, path in sets.items()),
        f"+datasets={{vehicles: {vehicles}, flowers: {flowers}}}",
        "evaluate.resamples=200",
        "probe.epochs=20",
    )
    assert composed.returncode == 0, composed.stderr

    run = call(clone, "dvc", "repro")

    assert run.returncode == 0, run.stdout + run.stderr
    metrics = json.loads((clone / "reports/metrics.json").read_text(encoding="utf-8"))
    assert metrics["id"]["accuracy"]["lp"] > 0.35  # six classes; chance is 0.17
    assert (
        metrics["ood"]["flowers"]["mahalanobis"]["auroc"] > 0.7
    )  # 30 photos a class for 1,280 features
    assert 0.5 < metrics["ood"]["vehicles"]["knn_1"]["auroc"] < 1
    assert "mcm" not in metrics["ood"]["vehicles"]
    results = (clone / "reports/results.md").read_text(encoding="utf-8")
    assert "n/a" in results
    assert "text tower" in results
