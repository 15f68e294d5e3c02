"""The identity of a store: a hash of everything that determines its bytes.

Not in it: decoding workers and threads, the number of devices, where files lie, and the time.
"""

import functools
import hashlib
import importlib.metadata
import json
from typing import Any

import polars as pl

# Raise when a change of this code changes features, so that no older half-done work is continued.
EXTRACTION_VERSION = 3

# What else computes pixels and features. Build suffixes such as +cu130 do not count.
LIBRARIES = ("torch", "torchvision", "open_clip_torch", "timm", "pillow")

# Entries of a backbone that say how its weights came to be, or where files lie: hashes of their
# content stand for them, in the record of its weights.
PROVENANCE_ONLY = (
    "checkpoint",
    "config",
    "pretrain",
    "finetune",
    "class_embeddings",
    "negative_embeddings",
    "logit_scale",
)


def content_key(parts: dict[str, Any]) -> str:
    """Return the sha256 of JSON-ready parts; the order of keys does not matter."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def index_digest(index: pl.DataFrame) -> str:
    """Return a sha256 over paths, content hashes and labels, in order.

    Rows that were not hashed count by their path and by the place where they were indexed.
    """
    digest = hashlib.sha256()
    further = ["place"] if "place" in index.columns else []
    for column in ("path", "sha256", "label", *further):
        values = index[column].cast(pl.String).fill_null("").to_list()
        digest.update(f"{column}:{len(values)}:".encode())
        digest.update("\0".join(values).encode())
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Return the public versions of the libraries that compute features; imports none of them."""
    return {name: package_version(name).split("+")[0] for name in LIBRARIES}


@functools.cache
def package_version(name: str) -> str:
    """Return an installed package's version; looked up once, for a lookup parses its metadata."""
    return importlib.metadata.version(name)


def model_identity(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a backbone's entry that decides its features, beside its weights.

    What is left empty, or null in its transform, decides nothing.
    """
    decisive = {key: value for key, value in entry.items() if key not in PROVENANCE_ONLY}
    if isinstance(transform := decisive.get("transform"), dict):
        stated = {step: value for step, value in transform.items() if value is not None}
        decisive["transform"] = stated
    return {key: value for key, value in decisive.items() if value not in (None, {})}
