"""What storage, arithmetic, batch size and workers change: cosines of rows and an AUROC.

    python -m benchmarks.fidelity [--images 400] [--device auto]

Photos of two zips are encoded by timm's MobileNetV2 with the weights beside the project. The
reference is float32 throughout, batches of 32. Printed for every variant: the smallest cosine of
a row with its reference, the largest difference relative to the row's largest number, and how far
the AUROC of 1-NN (half of the first zip is the bank, the rest in-distribution, the second zip
out-of-distribution) moves.
"""

import argparse
import zipfile
from pathlib import Path

import numpy as np

DATA = Path("../shared/data")
ENTRY = {
    "loader": "timm",
    "name": "mobilenetv2_100",
    "checkpoint": str(DATA / "weights/mobilenetv2_100_in1k.safetensors"),
    "kwargs": {"pad_type": "same"},
    "transform": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"},
}


def photos(path: Path, images: int) -> list[bytes]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if n.lower().endswith((".jpg", ".jpeg")))
        step = max(1, len(names) // images)
        return [archive.read(name) for name in names[::step][:images]]


def nearest_auroc(rows: np.ndarray, images: int) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    bank, known, strange = np.split(unit, [images // 2, images])
    scores_id, scores_ood = (known @ bank.T).max(axis=1), (strange @ bank.T).max(axis=1)
    above = (scores_id[:, None] > scores_ood).mean()
    return float(above + 0.5 * (scores_id[:, None] == scores_ood).mean())


def main() -> None:
    import tempfile

    import torch

    from pipeline.backbones.backbone import load_backbone
    from pipeline.datasets.images import decode_image
    from pipeline.extraction.encoder import TorchEncoder, resolve_device
    from pipeline.storage.store import to_dtype
    from stages.fetch_weights import model_spec, run, write_record

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = resolve_device(args.device)
    first = photos(DATA / "flowers5/flowers5_300perclass_128.zip", args.images)
    second = photos(DATA / "dtd_textures/dtd_10classes_224.zip", args.images // 2)
    with tempfile.TemporaryDirectory() as name:
        write_record(Path(name), run("model", model_spec("model", ENTRY)))
        backbone = load_backbone("model", ENTRY, Path(name), device)
    images = torch.stack(
        [backbone.transform(decode_image(data, path="photo")) for data in first + second]
    )

    def encode(precision: str, batch_size: int) -> np.ndarray:
        encoder = TorchEncoder(backbone, precision=precision)
        batches = images.split(batch_size)
        return np.concatenate([encoder.rows([encoder.encode([batch])]) for batch in batches])

    reference = encode("float32", 32)
    base = nearest_auroc(reference, len(first))
    print(f"{len(images)} images on {device}; reference AUROC {100 * base:.3f}")
    variants = {
        "float16 store": to_dtype(reference, "float16").astype(np.float32),
        "batches of 1": encode("float32", 1),
        "batches of 128": encode("float32", 128),
        "bfloat16 forward": encode("bfloat16", 32),
        "bfloat16 forward, float16 store": to_dtype(encode("bfloat16", 32), "float16").astype(
            np.float32
        ),
    }
    if device == "cuda":
        variants["float16 forward"] = encode("float16", 32)
    for name, rows in variants.items():
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(reference, axis=1)
        cosine = (np.einsum("nd,nd->n", rows.astype(float), reference) / lengths).min()
        largest = np.abs(rows - reference).max(axis=1) / np.abs(reference).max(axis=1)
        moved = 100 * (nearest_auroc(rows, len(first)) - base)
        print(
            f"{name:32} 1 - cosine {1 - cosine:.1e}  difference {largest.max():.1e}  "
            f"AUROC {moved:+.4f}"
        )


if __name__ == "__main__":
    main()
