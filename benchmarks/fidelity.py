"""What storage, arithmetic, batch size and decoding change: cosines of rows and an AUROC.

    python -m benchmarks.fidelity [--images 200] [--device auto]

Photos of five flowers are encoded by timm's MobileNetV2 with the weights beside the project. Three
flowers are in-distribution, two are not, so that the AUROC of 1-NN (every second in-distribution
photo is the bank) is far from 1 and can move. The reference is float32 throughout, batches of 32.
Printed for every variant: the smallest cosine of a row with its reference, the largest difference
relative to the row's largest number, and how far the AUROC moves.

For the other ways of decoding the photos, of 128 pixels, are first enlarged to 500 and 1,000 (no
whole multiples, which are kind to resizing) and saved again as JPEG, since no large ones are at
hand; the reference of these rows is the exact decoding of the very same files. Enlarged photos have
no fine detail: real large photos may move further. `extract.decode: device` runs where the model
does: by nvJPEG where that is a GPU.
"""

import argparse
import io
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path("../shared/data")
KNOWN = ("daisy", "rose", "tulip")
STRANGE = ("dandelion", "sunflower")
ENTRY = {
    "loader": "timm",
    "name": "mobilenetv2_100",
    "checkpoint": str(DATA / "weights/mobilenetv2_100_in1k.safetensors"),
    "kwargs": {"pad_type": "same"},
    "transform": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"},
}


def photos(path: Path, classes: tuple[str, ...], images: int) -> list[bytes]:
    """Return photos of some classes, evenly drawn."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(n for n in archive.namelist() if Path(n).parent.name in classes)
        names = [name for name in names if name.lower().endswith((".jpg", ".jpeg"))]
        step = max(1, len(names) // images)
        return [archive.read(name) for name in names[::step][:images]]


def enlarged(data: bytes, side: int) -> bytes:
    """Return a photo with both sides `side` pixels, as a JPEG again."""
    with Image.open(io.BytesIO(data)) as photo:
        large = photo.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    large.save(stream, "jpeg", quality=95)
    return stream.getvalue()


def nearest_auroc(rows: np.ndarray, images: int) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    bank, known, strange = unit[:images:2], unit[1:images:2], unit[images:]
    scores_id, scores_ood = (known @ bank.T).max(axis=1), (strange @ bank.T).max(axis=1)
    above = (scores_id[:, None] > scores_ood).mean()
    return float(above + 0.5 * (scores_id[:, None] == scores_ood).mean())


def main() -> None:
    import tempfile

    import torch

    from pipeline.backbones.backbone import pick_device
    from pipeline.backbones.loading import load_backbone
    from pipeline.backbones.weights import weights_record, write_record
    from pipeline.datasets.images import ImageParams, decode_image
    from pipeline.extraction.decoding import resize_target
    from pipeline.extraction.encoder import TorchEncoder
    from pipeline.storage.dtypes import to_dtype

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = pick_device(args.device).type
    archive = DATA / "flowers5/flowers5_300perclass_128.zip"
    first = photos(archive, KNOWN, args.images)
    second = photos(archive, STRANGE, args.images // 2)
    with tempfile.TemporaryDirectory() as name:
        write_record(Path(name), weights_record("model", ENTRY))
        backbone = load_backbone("model", ENTRY, Path(name), device)

    def read(data: list[bytes], at_least: int | None = None) -> torch.Tensor:
        decoded = (decode_image(item, path="photo", at_least=at_least) for item in data)
        return torch.stack([backbone.transform(image) for image in decoded])

    on_device = TorchEncoder(backbone, decode_on_device=True)

    def read_on_device(data: list[bytes]) -> list[object]:
        assert on_device.read is not None
        return [on_device.read(item, "photo", ImageParams()) for item in data]

    def encode_on_device(items: list[object]) -> np.ndarray:
        pieces = [items[low : low + 32] for low in range(0, len(items), 32)]
        return np.concatenate([on_device.rows([on_device.encode([piece])]) for piece in pieces])

    def encode(precision: str, batch_size: int, images: torch.Tensor) -> np.ndarray:
        encoder = TorchEncoder(backbone, precision=precision)
        batches = images.split(batch_size)
        return np.concatenate([encoder.rows([encoder.encode([batch])]) for batch in batches])

    def compare(name: str, rows: np.ndarray, reference: np.ndarray) -> None:
        base = nearest_auroc(reference, len(first))
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(reference, axis=1)
        cosine = np.einsum("nd,nd->n", rows.astype(float), reference) / lengths
        largest = np.abs(rows - reference).max(axis=1) / np.abs(reference).max(axis=1)
        moved = 100 * (nearest_auroc(rows, len(first)) - base)
        print(
            f"{name:32} 1 - cosine {1 - cosine.min():.1e} (mean {1 - cosine.mean():.1e})  "
            f"difference {largest.max():.1e}  AUROC {100 * base:.3f} {moved:+.4f}"
        )

    images = read(first + second)
    print(f"{len(images)} images on {device}")
    reference = encode("float32", 32, images)
    half = encode("bfloat16", 32, images)
    compare("float16 store", to_dtype(reference, "float16").astype(np.float32), reference)
    compare("batches of 1", encode("float32", 1, images), reference)
    compare("batches of 128", encode("float32", 128, images), reference)
    compare("bfloat16 forward", half, reference)
    compare(
        "bfloat16 forward, float16 store",
        to_dtype(half, "float16").astype(np.float32),
        reference,
    )
    if device == "cuda":
        compare("float16 forward", encode("float16", 32, images), reference)
    compare(
        "device, photos as they are", encode_on_device(read_on_device(first + second)), reference
    )
    for side in (500, 1000):
        large = [enlarged(data, side) for data in first + second]
        started = time.perf_counter()
        exact = read(large)
        between = time.perf_counter()
        reduced = read(large, resize_target(backbone.transform))
        after = time.perf_counter()
        items = read_on_device(large)
        seconds = between - started, after - between, time.perf_counter() - after
        reference = encode("float32", 32, exact)
        for way, rows, took in (
            ("reduced", encode("float32", 32, reduced), seconds[1]),
            ("device", encode_on_device(items), seconds[2]),
        ):
            name = f"{way}, {side} px ({seconds[0] / took:.1f} x as fast)"
            compare(name, rows, reference)


if __name__ == "__main__":
    main()
