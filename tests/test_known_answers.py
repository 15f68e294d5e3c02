"""Numbers on real photos that a plain loop of timm and scikit-learn found, met by the stages.

`python -m benchmarks.known_answers` writes known_answers.json, with none of this library's code.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.backbones.weights import weights_record, write_record
from pipeline.code_closure import ROOT
from pipeline.datasets.images import ImageParams
from pipeline.datasets.index import read_index
from pipeline.detectors.fitting import FitParams, GaussianSpec
from pipeline.extraction.extract_params import ExtractParams
from pipeline.extraction.extract_store import Extraction, extract_store
from pipeline.indexing.index_dataset import index_dataset
from pipeline.indexing.indexing import IndexParams
from pipeline.language.class_folders import class_folders
from pipeline.sources import open_source, read_spec
from pipeline.statistics.metrics import auroc, fpr_at_tpr
from pipeline.storage.store import read_attributes, read_features
from pipeline.storage.write_store import write_arrays
from pipeline.training.classifier_head import classifier_head
from pipeline.training.head_files import write_heads
from pipeline.training.heads import read_probe
from stages import fit, score

DATA = (ROOT / "../shared/data").resolve()
KNOWN = json.loads((Path(__file__).parent / "known_answers.json").read_text(encoding="utf-8"))
NAME = "mobilenet"
ENTRY = {
    "loader": "timm",
    "name": "mobilenetv2_100",
    "checkpoint": str(DATA / KNOWN["weights"]),
    "kwargs": {"pad_type": "same"},
    "transform": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "crop_pct": 1.0,
    },
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the photos and weights in ../shared/data"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Every set of photos indexed and extracted by the stages' own functions."""
    root = tmp_path_factory.mktemp("known")
    record = weights_record(NAME, ENTRY)
    write_record(root / "weights", record)
    for dataset, photos in KNOWN["photos"].items():
        spec = read_spec(dataset, {"source": "zip"} | photos, data_root=DATA)
        table = root / f"{dataset}.parquet"
        index_dataset(dataset, spec, table, params=IndexParams(), images=ImageParams())
        extract_store(
            Extraction(
                NAME,
                dataset,
                index=read_index(table),
                weights=root / "weights",
                entry=ENTRY,
                source=open_source(spec),
                params=ExtractParams(device="cpu"),
                images=ImageParams(),
            ),
            root / f"{dataset}.zarr",
            root=root / "unfinished",
        )
    none = {"row": np.zeros(0, np.int64), "pseudo_label": np.zeros(0, np.int32)}
    pl.DataFrame(none).write_parquet(root / "pseudo_labels.parquet")
    return root


def heads(world: Path, bank: str, *, classifier: bool) -> Path:
    """A folder of heads that holds the model's own classifier, or none."""
    absent = {"applicable": False, "reason": "not trained"}
    told = {"plp": absent, "lp": absent, "ft": {"applicable": True} if classifier else absent}
    classes = len(class_folders(read_index(world / f"{bank}.parquet")))
    own = {}
    if classifier:
        own["ft"] = classifier_head(NAME, ENTRY, world / "weights", classes=classes)
    fitted_on = {"bank": {"key": read_attributes(world / f"{bank}.zarr")["key"]}}
    summary = {"backbone": NAME, "classes": classes, "fitted_on": fitted_on, "heads": told}
    write_heads(world / f"heads_{bank}", own, summary)
    return world / f"heads_{bank}"


def separations(world: Path, bank: str, sides: tuple[str, str], params: FitParams, **options):
    """AUROC and FPR95 of the ID and the OOD set by fit and score."""
    text = world / f"text_{bank}.zarr"
    about = {"backbone": NAME, "applicable": False, "reason": "no text tower"}
    names = class_folders(read_index(world / f"{bank}.parquet"))
    write_arrays(text, {}, about | {"class_names": names})
    inputs = [world / f"{bank}.zarr", text, world / "pseudo_labels.parquet"]
    detector = fit.run(*inputs, heads(world, bank, **options), params)
    methods = {
        "ft_msp": {"score": "msp", "head": "ft"},
        "ft_energy": {"score": "energy", "head": "ft", "temperature": 1.0},
        "knn": {"score": "knn", "k": [1]},
    }
    if params.gaussians:
        methods["mahalanobis"] = {"score": "mahalanobis", "gaussians": "labels"}
    of_id, of_ood = (
        score.run(detector, inputs[0], world / f"{side}.zarr", methods)[0] for side in sides
    )
    return {
        method: {
            "auroc": auroc(of_id[method], of_ood[method]),
            "fpr95": fpr_at_tpr(of_id[method], of_ood[method]),
        }
        for method in of_id
    }


def check(found: dict[str, dict[str, float]], pair: str) -> None:
    for method, metrics in KNOWN["answers"][pair].items():
        for metric, value in metrics.items():
            allowed = KNOWN["tolerance"][metric]
            assert found[method][metric] == pytest.approx(value, abs=allowed), (method, metric)


def test_thousands_of_photos_are_read(world):
    rows = {name: len(read_index(world / f"{name}.parquet")) for name in KNOWN["photos"]}

    assert sum(rows.values()) == KNOWN["count"] > 2000
    assert rows["imagenet"] == 1000


def test_imagenet_accuracy_of_its_own_classifier(world):
    """Publisher's figure on these photos: 86.3 %. Its training images, so it flatters."""
    store = read_features(world / "imagenet.zarr")
    head = read_probe(heads(world, "imagenet", classifier=True) / "ft.safetensors")
    accuracy = float((head.logits(store.features).argmax(axis=1) == store.labels).mean())

    allowed = KNOWN["tolerance"]["accuracy"]
    assert accuracy == pytest.approx(KNOWN["answers"]["imagenet"]["accuracy"], abs=allowed)
    assert accuracy == pytest.approx(0.863, abs=allowed)


@pytest.mark.parametrize("ood", ["textures", "flowers"])
def test_imagenet_photos_against_other_photos(world, ood):
    """MSP and energy of its own classifier; 1-NN leaves the photo itself out of the bank."""
    params = FitParams(gaussians={}, residuals=[])

    found = separations(world, "imagenet", ("imagenet", ood), params, classifier=True)

    check(found, f"imagenet-{ood}")


def test_animals_against_vehicles(world):
    """The fair pair: classes of CIFAR-10 held out; 1-NN and Mahalanobis with Ledoit-Wolf."""
    params = FitParams(gaussians={"labels": GaussianSpec(shrinkage="ledoit_wolf")}, residuals=[])

    found = separations(world, "animals_train", ("animals", "vehicles"), params, classifier=False)

    check(found, "animals-vehicles")
