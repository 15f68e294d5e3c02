"""Extraction against the bare model and two plain loops; verification, cache hits and memory.

    python -m benchmarks.extraction rate [--images 256] [--rounds 3] [--model ViT-B-32]
    python -m benchmarks.extraction decode [--images 512] [--backbone mini_l]
    python -m benchmarks.extraction resize [--images 200]
    python -m benchmarks.extraction verify [--gib 1]
    python -m benchmarks.extraction hits
    python -m benchmarks.extraction memory

`rate` reads photos of `--photos` (a zip), runs every variant once a round in turn in one process
with the same threads, and prints images/s (best and median round) and processor seconds per
image, which a busy machine disturbs least: the bare model on ready tensors; the whole stage (key,
decode, encode, store, checksums); a DataLoader with 2 workers saving .npy; a loop in the manner
of clip-retrieval (DataLoader, unit rows, one .npy a batch of files). Weights are random.

`decode` does the same with a backbone of conf/models/mini.yaml: its own transform image by image
(in one process, and in a DataLoader's workers), decoding as the stage does it, the model alone, and
the whole stage, with extract.decode: exact, device and reduced. `resize` compares Pillow's bicubic
resize and a centre crop with the compiled ones, on decoded photos as they are and enlarged twice,
and stops if a byte differs. `hits` asks for 50 stores in one process. As in the stage, OpenMP's
idle threads sleep (OMP_WAIT_POLICY=PASSIVE).
"""

import argparse
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import deque
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported
WAYS = ("exact", "device", "reduced")
PHOTOS = Path("../shared/data/imagenet1k_samples/imagenet1k_samples_224.zip")


def cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (0, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def unpack(photos: Path, folder: Path, images: int) -> pl.DataFrame:
    """Write photos as plain files; return their index."""
    with zipfile.ZipFile(photos) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg"))]
        rows = []
        for number in range(images):
            data = archive.read(sorted(names)[number % len(names)])
            path = f"{number:06d}.jpg"
            (folder / path).write_bytes(data)
            rows.append((number, path, -1, "", hashlib.sha256(data).hexdigest()))
    return pl.DataFrame(rows, schema=["row", "path", "label", "class_name", "sha256"], orient="row")


@dataclass(frozen=True)
class Folder:
    """Plain files below a folder."""

    root: Path

    def read(self, path: str) -> bytes:
        """Return one file's content."""
        return (self.root / path).read_bytes()


@dataclass(frozen=True)
class PlainDataset:
    """What a straightforward script would write."""

    root: Path
    paths: list[str]
    transform: Callable[[Any], Any]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.paths)

    def __getitem__(self, number: int) -> Any:
        """Return one photo, transformed."""
        from PIL import Image

        return self.transform(Image.open(self.root / self.paths[number]).convert("RGB"))


def rate(args: argparse.Namespace) -> None:
    import torch
    from torch.utils.data import DataLoader

    from pipeline.backbones.loading import load_backbone
    from pipeline.backbones.weights import write_record
    from pipeline.datasets.images import ImageParams
    from pipeline.extraction.encoder import TorchEncoder
    from pipeline.extraction.extract_params import ExtractParams
    from pipeline.extraction.extract_store import Extraction, extract_store

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "photos").mkdir()
        index = unpack(args.photos, work / "photos", args.images)
        entry = {"loader": args.loader, "name": args.model, "random_weights": True}
        write_record(work / "weights", {"sha256": "random weights, seed 0"})
        backbone = load_backbone("model", entry, work / "weights", "cpu")
        encoder = TorchEncoder(backbone)
        paths = index["path"].to_list()
        size = args.batch_size
        sample = torch.stack(
            [PlainDataset(work / "photos", paths, backbone.transform)[i] for i in range(size)]
        )

        threads = args.threads or os.cpu_count() or 1

        def bare() -> None:
            torch.set_num_threads(threads)
            for _ in range(args.images // size):
                encoder.rows([encoder.encode([sample])])

        def stage() -> None:
            extract_store(
                Extraction(
                    "model",
                    "photos",
                    index=index,
                    weights=work / "weights",
                    entry=entry,
                    source=Folder(work / "photos"),
                    params=ExtractParams(device="cpu", workers=args.workers, threads=threads),
                    images=ImageParams(),
                ),
                work / "store.zarr",
                root=work / "cache",
                load=lambda _: encoder,
            )

        def loader() -> DataLoader:
            dataset = PlainDataset(work / "photos", paths, backbone.transform)
            return DataLoader(dataset, batch_size=size, num_workers=2)  # type: ignore[arg-type]

        def plain() -> None:
            torch.set_num_threads(threads)
            with torch.inference_mode():
                rows = [backbone.tower(images).numpy() for images in loader()]
            np.save(work / "plain.npy", np.concatenate(rows))

        def retrieval() -> None:
            torch.set_num_threads(threads)
            with torch.inference_mode():
                for number, images in enumerate(loader()):
                    rows = backbone.tower(images)
                    rows = rows / rows.norm(dim=-1, keepdim=True)
                    np.save(work / f"img_emb_{number}.npy", rows.half().numpy())

        variants = {"bare": bare, "stage": stage, "plain loop": plain, "retrieval": retrieval}
        bare()
        compare(variants, args, {"bare": args.images // size * size})


def compare(
    variants: dict[str, Callable[[], object]],
    args: argparse.Namespace,
    images: dict[str, int] | None = None,
) -> None:
    """Run every variant once a round, in turn; print images/s and processor time an image."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    work_done: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(args.rounds):
        for name, run in variants.items():
            started, before = time.perf_counter(), cpu_seconds()
            with redirect_stderr(StringIO()):
                run()
            seconds[name].append(time.perf_counter() - started)
            work_done[name].append(cpu_seconds() - before)
    for name in variants:
        done = (images or {}).get(name, args.images)
        best, middle = min(seconds[name]), statistics.median(seconds[name])
        print(
            f"{name:26} {done / best:8.1f}/s best {done / middle:8.1f}/s median "
            f"{1000 * min(work_done[name]) / done:7.2f} ms of processor an image"
        )


def decode(args: argparse.Namespace) -> None:
    """The whole stage of a small backbone beside decoding and transforming alone, in turn."""
    import torch
    from torch.utils.data import DataLoader

    from pipeline.backbones.input_side import input_side
    from pipeline.backbones.loading import load_backbone
    from pipeline.backbones.weights import write_record
    from pipeline.datasets.images import ImageParams
    from pipeline.extraction.decoding import ImageReader, decode_in_threads, pieces_of
    from pipeline.extraction.encoder import TorchEncoder
    from pipeline.extraction.extract_params import ExtractParams, batch_grid, batch_size_on
    from pipeline.extraction.extract_store import Extraction, extract_store
    from pipeline.extraction.run_ahead import run_ahead

    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "photos").mkdir()
        index = unpack(args.photos, work / "photos", args.images)
        entry, weights = small_model(args.backbone, work / "weights")
        write_record(weights, {"sha256": "random weights, seed 0"})
        backbone = load_backbone(args.backbone, entry, weights, "cpu")
        encoders = {way: TorchEncoder(backbone, decode_on_device=way == "device") for way in WAYS}
        hashes, paths = index["sha256"].to_list(), index["path"].to_list()
        source = Folder(work / "photos")
        batches = batch_grid(args.images, 32)
        readers = {
            way: ImageReader(source, paths, hashes, encoder.prepare, read=encoder.read)
            for way, encoder in encoders.items()
        }
        plain_photos = PlainDataset(work / "photos", paths, backbone.transform)

        def stage(way: Literal["exact", "device", "reduced"] = "exact") -> None:
            extract_store(
                Extraction(
                    args.backbone,
                    "photos",
                    index=index,
                    weights=weights,
                    entry=entry,
                    source=source,
                    params=ExtractParams(device="cpu", workers=args.workers, decode=way),
                    images=ImageParams(),
                ),
                work / "store.zarr",
                root=work / "cache",
                load=lambda _: encoders[way],
            )

        def threads(way: str = "exact") -> None:
            stream = decode_in_threads(readers[way], pieces_of(batches), threads=cores, ahead=8)
            deque(stream, maxlen=0)

        def own_transform() -> None:
            loader = DataLoader(plain_photos, batch_size=32, num_workers=cores)  # type: ignore[arg-type]
            deque(loader, maxlen=0)

        def in_turn() -> None:
            torch.set_num_threads(1)
            deque(map(plain_photos.__getitem__, range(args.images)), maxlen=0)

        params = ExtractParams(device="cpu")
        size = batch_size_on(params, "cpu", side=input_side(entry))
        batch = torch.stack([readers["exact"](row) for row in range(size)])

        def model() -> None:
            encoded = run_ahead(
                lambda _: encoders["exact"].encode([batch]),
                range(args.images // size),
                threads=cores,
                ahead=cores,
            )
            deque(encoded, maxlen=0)

        variants: dict[str, Callable[[], object]] = {
            "own transform, one by one": in_turn,
            f"own transform, {cores} workers": own_transform,
            f"decoding, {cores} threads": threads,
            f"… device, {cores} threads": lambda: threads("device"),
            "model alone": model,
            "whole stage": stage,
            "whole stage, device": lambda: stage("device"),
            "whole stage, reduced": lambda: stage("reduced"),
        }
        compare(variants, args)


def small_model(backbone: str, weights: Path) -> tuple[dict[str, Any], Path]:
    """Return the entry of a backbone of conf/models/mini.yaml, to run with random weights."""
    import json

    import yaml

    table = yaml.safe_load(Path("conf/models/mini.yaml").read_text(encoding="utf-8"))["models"]
    weights.mkdir(parents=True)
    model_cfg = table[backbone]["model_cfg"]
    (weights / "config.json").write_text(json.dumps(model_cfg), encoding="utf-8")
    entry = {
        "loader": "open_clip",
        "config": str(weights / "config.json"),
        "random_weights": True,
        "transform": {"size": model_cfg["vision_cfg"]["image_size"]},  # decides the batch
    }
    return entry, weights


def resize(args: argparse.Namespace) -> None:
    """Pillow's resize and crop beside the compiled ones, in processor seconds of one thread."""
    from PIL import Image
    from torchvision import transforms

    from pipeline.backbones.transforms import BytePixels
    from pipeline.extraction import pillow_resize

    pillow_resize._KERNEL.pays(pillow_resize.START)  # the compiler is loaded before anything counts
    with tempfile.TemporaryDirectory() as name:
        index = unpack(args.photos, Path(name), args.images)
        photos = [Image.open(Path(name) / path).convert("RGB") for path in index["path"]]
    large = [photo.resize((2 * photo.width, 2 * photo.height)) for photo in photos]
    for images, side in ((photos, 32), (large, 32), (large, 224)):
        bicubic = transforms.InterpolationMode.BICUBIC
        pixels = BytePixels((transforms.Resize(side, bicubic), transforms.CenterCrop(side)))
        seconds = {}
        for way in (pixels, pillow_resize.with_fast_resize(pixels)):
            times = []
            for _ in range(args.rounds):
                before = time.process_time()
                made = [way(image) for image in images]
                times.append(time.process_time() - before)
            seconds[way] = min(times), made
        (slow, theirs), (fast, ours) = seconds.values()
        if any(not a.equal(b) for a, b in zip(theirs, ours, strict=True)):
            raise RuntimeError("the compiled resize gave other bytes than Pillow")
        width = statistics.mean(image.width for image in images)
        print(
            f"{width:4.0f} pixels wide to {side:3}: Pillow {1000 * slow / len(images):.2f} ms, "
            f"compiled {1000 * fast / len(images):.2f} ms, {slow / fast:.1f} x as fast"
        )


def verify(args: argparse.Namespace) -> None:
    """Verification beside plain sequential reading, both from the disk, then both cached."""
    from pipeline.storage.verify import verify_store
    from pipeline.storage.write_store import write_store

    rows = int(args.gib * 2**30) // 2048
    block = np.random.default_rng(0).normal(size=(8192, 1024)).astype(np.float32)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        store = Path(name) / "big.zarr"
        blocks = (block[: rows - low] for low in range(0, rows, 8192))
        write_store(store, blocks, np.zeros(rows, np.int32), {})

        def read() -> None:
            piece = bytearray(1 << 20)
            for path in sorted(store.rglob("*")):
                if path.is_file():
                    with path.open("rb", buffering=0) as stream:
                        while stream.readinto(piece):
                            pass

        for state in ("from disk", "cached"):
            rates = []
            for run in (read, lambda: verify_store(store)):
                if state == "from disk":
                    os.sync()
                    for path in store.rglob("*"):
                        if path.is_file():
                            with path.open("rb") as stream:
                                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                started = time.perf_counter()
                run()
                rates.append(rows * 2048 / 2**20 / (time.perf_counter() - started))
            print(f"{state:10} reading {rates[0]:8,.0f} MiB/s, verifying {rates[1]:8,.0f} MiB/s")


def wide_encoder() -> Any:
    """Return a model of 512 numbers an image that costs nothing."""
    sys.path.insert(0, "tests")
    from extraction_world import MatrixEncoder

    class Wide(MatrixEncoder):
        def encode(self, pieces):
            count = sum(len(piece) for piece in pieces)
            return np.ones((count, 512), np.float32)

        def facts(self):
            return {"width": 512, "space": "features"}

    return Wide()


def hits(_: argparse.Namespace) -> None:
    """Fifty stores of 1,000 rows x 512 whose rows are all in the side cache: no model is loaded."""
    encoder = wide_encoder()
    from extraction_world import World

    with tempfile.TemporaryDirectory() as name:
        world = World.make(Path(name), 1000)
        with redirect_stderr(StringIO()):
            world.extract(encoder=encoder, keep=True, shard_rows=None)
            done = len(encoder.seen)
            started, before = time.perf_counter(), cpu_seconds()
            for number in range(50):
                world.extract(f"{number}.zarr", encoder=encoder, keep=True, shard_rows=None)
            seconds, busy = time.perf_counter() - started, cpu_seconds() - before
        print(f"50 cache hits: {seconds:.2f} s in one process, {busy:.2f} s of processor")
        if len(encoder.seen) != done:
            raise RuntimeError("an image was encoded although every row is in the cache")


def memory(args: argparse.Namespace) -> None:
    """Peak memory of 10,000 and of 100,000 rows of 512 numbers, each in its own process."""
    peaks = []
    for rows in (10_000, 100_000):
        command = [sys.executable, "-m", "benchmarks.extraction", "rows", "--images", str(rows)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(answer.stdout))
        print(f"{rows:7,} rows: {peaks[-1] / 1024:.0f} MiB")
    print(f"growth {(peaks[1] - peaks[0]) / 1024:.0f} MiB")


def rows(args: argparse.Namespace) -> None:
    """Run the loop on a fake model and print this process's peak memory in KiB."""
    from PIL import Image

    encoder = wide_encoder()
    from extraction_world import World

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "images").mkdir()
        Image.new("RGB", (4, 4)).save(root / "images/a.png")
        (root / "weights").mkdir()
        (root / "weights/weights.json").write_text('{"sha256": "fake"}')
        count = args.images
        index = pl.DataFrame(
            {
                "row": np.arange(count),
                "path": ["a.png"] * count,
                "label": np.zeros(count, np.int32),
                "class_name": [""] * count,
                "sha256": pl.Series([None] * count, dtype=pl.String),
            }
        )
        with redirect_stderr(StringIO()):
            World(root, index).extract(encoder=encoder, batch_size=256, shard_rows=None)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {run.__name__: run for run in (rate, decode, resize, verify, hits, memory, rows)}
    parser.add_argument("what", choices=known)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--loader", default="open_clip")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--backbone", default="mini_l")
    parser.add_argument("--gib", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    known[args.what](args)


if __name__ == "__main__":
    main()
