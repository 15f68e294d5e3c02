"""A small backbone on disk, from its bank to its trained heads, for tests of fit and score."""

import numpy as np
import polars as pl

from pipeline.geometry import unit_norm
from pipeline.storage.write_store import write_arrays, write_store
from pipeline.training.head_files import write_heads
from pipeline.training.heads import Probe
from pipeline.training.pseudo_labels import SCHEMA, write_pseudo_labels

CLASSES, WIDTH, JOINT = 3, 8, 4
NAMES = ["ant", "bee", "cat"]


class World:
    """Clusters around three directions; queries from the same and from elsewhere."""

    def __init__(self, folder, *, text=True, width=WIDTH, shard_rows=32, seed=0):
        """Make the arrays and write every file."""
        self.folder, self.text_tower = folder, text
        rng = np.random.default_rng(seed)
        self.centres = 4 * rng.standard_normal((CLASSES, width))
        self.labels = (np.arange(90) % CLASSES).astype(np.int32)
        self.bank = self.around(self.labels, rng)
        self.query_labels = (np.arange(40) % CLASSES).astype(np.int32)
        self.queries = np.concatenate(
            [self.around(self.query_labels, rng), 3 * rng.standard_normal((30, width))]
        ).astype(np.float32)
        self.query_labels = np.concatenate([self.query_labels, np.full(30, -1, np.int32)])
        self.projection = rng.standard_normal((width, JOINT)).astype(np.float32)
        self.class_embeddings = unit_norm((self.centres @ self.projection).astype(np.float32))
        self.negatives = unit_norm(rng.standard_normal((12, JOINT)).astype(np.float32))
        self.store("bank", self.bank, self.labels, shard_rows=shard_rows)
        self.store("queries", self.queries, self.query_labels, shard_rows=shard_rows)
        self.write_text()
        self.pseudo_labels = (
            unit_norm(self.bank @ self.projection) @ self.class_embeddings.T
        ).argmax(axis=1)
        rows = np.arange(90) if text else np.arange(0)
        self.write_pseudo_labels(rows, self.pseudo_labels[rows])
        heads = ["plp", "lp"] if text else ["lp"]
        self.heads = {}
        for name in heads:
            weight = (self.centres + rng.standard_normal(self.centres.shape)).astype(np.float32)
            self.heads[name] = Probe(
                weight / 4,
                rng.standard_normal(CLASSES).astype(np.float32),
                self.bank.mean(axis=0),
                self.bank.std(axis=0),
            )
        told = {name: {"applicable": True} for name in heads}
        told["ft"] = {"applicable": False, "reason": "not fine-tuned"}
        if not text:
            told["plp"] = {"applicable": False, "reason": "no text tower"}
        bank = {key: self.about("bank")[key] for key in ("dataset", "key", "norm", "space")}
        fitted_on = {"bank": bank | {"rows": 90, "width": width}, "prompts": "single"}
        self.summary = {"backbone": "tiny", "classes": CLASSES, "fitted_on": fitted_on}
        self.summary["heads"] = told
        self.write_heads()

    def around(self, labels, rng):
        noise = rng.standard_normal((len(labels), self.centres.shape[1]))
        return (self.centres[labels] + noise).astype(np.float32)

    def about(self, name):
        """What a store says of itself."""
        told = {"backbone": "tiny", "dataset": name, "key": f"key of {name}"}
        return told | {"norm": "raw", "space": "features"}

    def write_pseudo_labels(self, rows, pseudo_labels, **made_on):
        table = {"row": rows, "pseudo_label": pseudo_labels, "confidence": np.ones(len(rows))}
        write_pseudo_labels(
            self.folder / "pseudo.parquet",
            pl.DataFrame(table, schema=SCHEMA),
            bank=self.about("bank") | {"rows": 90} | made_on,
            options={},
        )

    def write_heads(self, heads=None, **changed):
        """Write the folder of heads, some of them or of what is said about them another."""
        write_heads(self.folder / "heads", self.heads | (heads or {}), self.summary | changed)

    def store(self, name, features, labels, *, shard_rows=32, **changed):
        attributes = self.about(name) | changed
        path = self.folder / f"{name}.zarr"
        write_store(path, features, labels, attributes, dtype="float32", shard_rows=shard_rows)
        return path

    def write_text(self):
        attributes = {"backbone": "tiny", "class_names": NAMES, "prompts": "single"}
        arrays = {}
        if self.text_tower:
            attributes |= {"applicable": True, "logit_scale": 20.0}
            arrays = {
                "class_embeddings": self.class_embeddings,
                "projection": self.projection,
                "negative_embeddings": self.negatives,
            }
        else:
            attributes |= {"applicable": False, "reason": "no text tower"}
        write_arrays(self.folder / "text.zarr", arrays, attributes)

    @property
    def fit_inputs(self):
        return [
            self.folder / name for name in ("bank.zarr", "text.zarr", "pseudo.parquet", "heads")
        ]
