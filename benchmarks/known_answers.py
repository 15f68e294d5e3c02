"""Answers on real photos by a plain loop of timm, scikit-learn and NumPy, for the tests to meet.

    python -m benchmarks.known_answers [--out tests/known_answers.json]

Nothing of `pipeline/` is used: zip files, Pillow, timm's own transform, one batch after another,
scikit-learn's roc_auc_score, LedoitWolf and brute-force neighbours. MobileNetV2 is timm's with
its own ImageNet classifier, whose accuracy its publisher's photos are known by; it was trained on
these very photos, so accuracy and AUROC flatter it and say nothing about a method. CIFAR's held
out classes against its other classes are the one fair pair.
"""

import argparse
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score, roc_curve
from timm.data.transforms_factory import create_transform

DATA = Path("../shared/data")
WEIGHTS = "weights/mobilenetv2_100_in1k.safetensors"
ANIMALS = ["bird", "cat", "deer", "dog", "frog", "horse"]
CIFAR_TRAIN = "cifar10/cifar10_train_first1000perclass_jpeg.zip"
CIFAR_TEST = "cifar10/cifar10_test_10k_jpeg.zip"
# The first so many photos of each class, in the order of their names.
PHOTOS: dict[str, dict[str, Any]] = {
    "imagenet": {"path": "imagenet1k_samples/imagenet1k_samples_224.zip", "max_per_class": 1},
    "textures": {"path": "dtd_textures/dtd_10classes_224.zip", "max_per_class": 60},
    "flowers": {  # daisy is a class of ImageNet
        "path": "flowers5/flowers5_300perclass_128.zip",
        "include_classes": ["dandelion", "rose", "sunflower", "tulip"],
        "max_per_class": 50,
    },
    "animals_train": {"path": CIFAR_TRAIN, "include_classes": ANIMALS, "max_per_class": 30},
    "animals": {"path": CIFAR_TEST, "include_classes": ANIMALS, "max_per_class": 15},
    "vehicles": {
        "path": CIFAR_TEST,
        "include_classes": ["airplane", "automobile", "ship", "truck"],
        "max_per_class": 25,
    },
}
# How far a float16 store, other batches and another processor may move a value.
TOLERANCE = {"accuracy": 0.003, "auroc": 0.003, "fpr95": 0.02}


def photos(path: str, max_per_class: int, include_classes: list[str] | None = None):
    """Pictures and class names of an archive of one folder a class."""
    taken: dict[str, int] = {}
    with zipfile.ZipFile(DATA / path) as archive:
        for name in sorted(archive.namelist()):
            kind = name.split("/")[0]
            wanted = include_classes is None or kind in include_classes
            if wanted and taken.get(kind, 0) < max_per_class:
                taken[kind] = taken.get(kind, 0) + 1
                yield Image.open(io.BytesIO(archive.read(name))).convert("RGB"), kind


def encode(model: torch.nn.Module, transform: Any, entry: dict[str, Any]):
    """Features before the classifier, its logits, and labels in the order of the class names."""
    pictures, kinds = zip(*photos(**entry), strict=True)
    features, logits = [], []
    with torch.inference_mode():
        for start in range(0, len(pictures), 50):
            batch = torch.stack([transform(picture) for picture in pictures[start : start + 50]])
            pooled = model.forward_head(model.forward_features(batch), pre_logits=True)
            features.append(pooled.double().numpy())
            logits.append(model.get_classifier()(pooled).double().numpy())
    order = sorted(set(kinds))
    return np.concatenate(features), np.concatenate(logits), [order.index(kind) for kind in kinds]


def separation(scores_id: np.ndarray, scores_ood: np.ndarray) -> dict[str, float]:
    """AUROC, and the share of OOD photos among those accepted with 95 % of the ID ones."""
    truth = np.concatenate([np.ones(len(scores_id)), np.zeros(len(scores_ood))])
    scores = np.concatenate([scores_id, scores_ood])
    fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
    return {
        "auroc": round(float(roc_auc_score(truth, scores)), 5),
        "fpr95": round(float(fpr[np.argmax(tpr >= 0.95)]), 5),
    }


def nearest(queries: np.ndarray, bank: np.ndarray, *, itself: bool = False) -> np.ndarray:
    """Cosine to the nearest row of the bank, other than itself."""
    cosines = unit(queries) @ unit(bank).T
    if itself:
        np.fill_diagonal(cosines, -2)
    return cosines.max(axis=1)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def msp(logits: np.ndarray) -> np.ndarray:
    """The largest log-probability: it ranks as the probability and does not saturate."""
    return logits.max(axis=1) - energy(logits)


def energy(logits: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))


def mahalanobis(queries: np.ndarray, bank: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the smallest squared distance to a class mean under one shrunk covariance."""
    means = np.stack([bank[labels == label].mean(axis=0) for label in np.unique(labels)])
    precision = LedoitWolf(assume_centered=True).fit(bank - means[labels]).precision_
    offsets = queries[:, None] - means
    return -np.einsum("qcd,de,qce->qc", offsets, precision, offsets, optimize=True).min(axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("tests/known_answers.json"))
    out = parser.parse_args().out

    started = time.perf_counter()
    overlay = {"file": str(DATA / WEIGHTS), "custom_load": False}
    model = timm.create_model(
        "mobilenetv2_100", pretrained=True, pretrained_cfg_overlay=overlay, pad_type="same"
    ).eval()
    transform = create_transform(
        224, interpolation="bicubic", crop_pct=1.0, mean=(0.5,) * 3, std=(0.5,) * 3
    )
    found = {name: encode(model, transform, entry) for name, entry in PHOTOS.items()}
    features = {name: values[0] for name, values in found.items()}
    logits = {name: values[1] for name, values in found.items()}
    right = logits["imagenet"].argmax(axis=1) == np.array(found["imagenet"][2])
    answers: dict[str, Any] = {"imagenet": {"accuracy": float(right.mean())}}
    for name in ("textures", "flowers"):
        answers[f"imagenet-{name}"] = {
            "ft_msp": separation(msp(logits["imagenet"]), msp(logits[name])),
            "ft_energy": separation(energy(logits["imagenet"]), energy(logits[name])),
            "knn_1": separation(
                nearest(features["imagenet"], features["imagenet"], itself=True),
                nearest(features[name], features["imagenet"]),
            ),
        }
    bank, labels = features["animals_train"], np.array(found["animals_train"][2])
    sides = [features["animals"], features["vehicles"]]
    answers["animals-vehicles"] = {
        "knn_1": separation(*(nearest(rows, bank) for rows in sides)),
        "mahalanobis": separation(*(mahalanobis(rows, bank, labels) for rows in sides)),
    }
    count = sum(len(rows) for rows in features.values())
    seconds = time.perf_counter() - started
    record = {
        "command": "python -m benchmarks.known_answers",
        "versions": {"timm": timm.__version__, "torch": torch.__version__.split("+")[0]},
        "weights": WEIGHTS,
        "photos": PHOTOS,
        "count": count,
        "tolerance": TOLERANCE,
        "answers": answers,
    }
    out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{count:,} photos in {seconds:.0f} s, {count / seconds:.0f} photos/s: {out}")
    print(json.dumps(answers, indent=1))


if __name__ == "__main__":
    main()
