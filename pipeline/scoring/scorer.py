"""Scores of new photos by a detector that a run of the pipeline has fitted.

    from pipeline.scoring.scorer import load_scorer

    scorer = load_scorer("vit_b", methods=["knn_1", "mahalanobis"])
    table = scorer.score(["a.jpg", Path("b.png"), uploaded_bytes, pillow_image])
    table["knn_1_accepted"]

Nothing is written. Photos are decoded, encoded and rounded as the images of a data set are, and in
one folder they have the scores that the folder has as a data set, to the bit. Other photos beside
them make other batches, on which the last bits of features depend; rounding to the store's float16
takes most of that away (README.md has what is left).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.classifier_names import CLASSIFIERS, KNN
from pipeline.detectors.bank import Bank
from pipeline.detectors.detector import Detector
from pipeline.extraction.extract_params import expected_device
from pipeline.extraction.extract_store import load_encoder
from pipeline.scores import method_names
from pipeline.scoring.fitted_artefacts import Artefacts, open_artefacts
from pipeline.scoring.photo_features import Block, PhotoEncoder
from pipeline.scoring.photos import Photo, Photos, given_photos
from pipeline.scoring.scoring import Scored, Scoring
from pipeline.scoring.thresholds import Thresholds, chosen_methods, read_thresholds

_HELD = 2 << 30  # bytes of a bank that stays in memory; a larger one is read for every block


@dataclass(frozen=True)
class Scorer:
    """A fitted detector with the backbone that its features come from.

    Attributes:
        detector: The detector.
        methods: Names of the scores, in the order of the tables.
        thresholds: From which score on an image is accepted, and by which images.
        class_names: Of the ID classes, in label order.
        weights: sha256 of the backbone's weights.
        warnings: Why scores may differ in their last digits from those of the data sets.
        no_classifier: Classifiers that there are not, with the reason; complete after the first
            photos.
    """

    detector: Detector
    methods: list[str]
    thresholds: Thresholds
    class_names: list[str]
    weights: str
    warnings: list[str]
    no_classifier: dict[str, str]
    _entries: dict[str, Any]
    _bank: Bank
    _encoder: PhotoEncoder

    def score(self, photos: Photo | Sequence[Photo]) -> pl.DataFrame:
        """Score photos that a program holds.

        Args:
            photos: Paths, bytes of image files, or Pillow images; or one of them.

        Returns:
            A row for each, in their order: ``path`` (or which photo it is); the class by each
            classifier, ``zero_shot_class`` and so on; by method its score, higher = more
            in-distribution, and whether that is accepted, ``knn_1_accepted``; ``error``, the reason
            why a photo cannot be read, whose other columns are empty.
        """
        listed = [photos] if isinstance(photos, Photo) else photos
        given = given_photos(listed, exif=self._encoder.images.exif)
        return pl.concat([self._empty(), *self.tables(given)])

    def tables(
        self, photos: Photos, *, advance: Callable[[int], None] = lambda done: None
    ) -> Iterator[pl.DataFrame]:
        """Score the photos of one source block by block, as `score` does; memory is of a block.

        Args:
            photos: See `pipeline.scoring.photos.find_photos`.
            advance: Told how many photos are done after each batch.
        """
        for block in self._encoder.blocks(photos, advance=advance):
            yield self._table(block, photos)

    def _table(self, block: Block, photos: Photos) -> pl.DataFrame:
        """The rows of one block, unreadable photos in their place."""
        found = self._scored(block, photos) if block.rows else None
        frame = {"position": block.rows, "path": [photos.names[row] for row in block.rows]}
        columns: dict[str, Any] = {}
        if found is not None:
            names = np.array(self.class_names)
            for name, classes in found.predictions.items():
                columns[f"{name}_class"] = names[classes]
            for name in self.methods:
                columns[name] = found.scores[name].astype(np.float64)
                columns[f"{name}_accepted"] = columns[name] >= self.thresholds.values[name]
        good = pl.DataFrame(frame | columns)
        bad = pl.DataFrame(
            {
                "position": list(block.unreadable),
                "path": [photos.names[row] for row in block.unreadable],
                "error": list(block.unreadable.values()),
            },
            schema={"position": pl.Int64, "path": pl.String, "error": pl.String},
        )
        both = pl.concat([self._empty(), good, bad], how="diagonal_relaxed").sort("position")
        return both.select(self._empty().columns)

    def _scored(self, block: Block, photos: Photos) -> Scored:
        scoring = Scoring(
            self.detector,
            self._bank,
            self._entries,
            what=f"{len(block.rows)} photos from {photos.names[block.rows[0]]} on",
            no_classifier=self.no_classifier,
        )
        scoring.add(0, block.features)
        return scoring.scored(np.full(len(block.rows), -1))

    def _empty(self) -> pl.DataFrame:
        """No row, all columns."""
        schema: dict[str, Any] = {"path": pl.String}
        schema |= {f"{name}_class": pl.String for name in CLASSIFIERS}
        for name in self.methods:
            schema |= {name: pl.Float64, f"{name}_accepted": pl.Boolean}
        return pl.DataFrame(schema=schema | {"error": pl.String})


def load_scorer(
    backbone: str,
    *,
    root: Path | str = ".",
    methods: Sequence[str] = (),
    accept: float = 0.95,
    device: str = "auto",
) -> Scorer:
    """Open what a run of the pipeline left for one backbone, and load the backbone.

    Args:
        backbone: Its name.
        root: The project's folder, with ``params.yaml`` and ``data/``. Relative paths of
            checkpoints are taken from the working directory.
        methods: Names in the tables, such as ``knn_1``; ``all``; none for those that
            ``report.headline_methods`` names.
        accept: Share of the ID test images that the thresholds accept.
        device: ``cpu`` or ``cuda``; ``auto`` is what the features of the bank were extracted on,
            where it is there.

    Raises:
        DetectorError: If no detector was fitted, or it does not belong to what lies beside it.
        WeightsError: If the weights are not those that it was fitted with.
        FileNotFoundError: If the ID test images have no scores.
        ValueError: If a method is unknown or does not apply; the message lists those that do.
    """
    found = open_artefacts(backbone, Path(root))
    detector = found.detector
    thresholds = read_thresholds(found.id_scores, detector, found.methods, accept=accept)
    wanted = methods or [name for name in found.headline if name in thresholds.values] or ["all"]
    chosen = chosen_methods(wanted, found.methods, thresholds)
    entries = {
        name: entry
        for name, entry in found.methods.items()
        if set(method_names(name, entry)) & set(chosen)
    }
    encoder, warnings = _encoder(found, device)
    return Scorer(
        detector,
        chosen,
        thresholds,
        found.class_names,
        found.record["sha256"],
        [*found.warnings, *warnings],
        {} if found.bank_there else {KNN: "the features of the bank are not there"},
        entries,
        _held(found.bank, detector.features["width"]),
        encoder,
    )


def _encoder(found: Artefacts, device: str) -> tuple[PhotoEncoder, list[str]]:
    """The backbone on a device, and what another one than the bank's means."""
    recorded = found.params.device
    here = _here(recorded if device == "auto" else device)
    if device not in ("auto", here):
        raise ValueError(f"the device '{device}' is not here; leave it out, or give cpu")
    backbone, entry = found.detector.backbone, found.record["entry"]
    encoder = load_encoder(backbone, entry, found.weights, found.params, here)
    warning = f"the bank was extracted on '{recorded}', photos on '{here}': last digits differ"
    warnings = [] if here == recorded else [warning]
    return PhotoEncoder(encoder, found.params, found.images, here), warnings


def _here(device: str) -> str:
    """The device, or the CPU where there is no GPU."""
    if device == "cpu" or expected_device("auto") == "cpu":
        return "cpu"
    from pipeline.extraction.encoder import resolve_device

    return resolve_device("auto")


def _held(bank: Bank, width: int) -> Bank:
    """The bank with its features in memory once they were read, if they are small enough."""
    if 4 * bank.size * width > _HELD:
        return bank
    return Bank(bank.size, cache(lambda: list(bank.shards())), lambda: bank.labels)
