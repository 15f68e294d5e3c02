"""What a detector was fitted on: bank, heads, pseudo-labels and texts, by their key or hash."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.detectors.fit_inputs import FitInputs
from pipeline.files import file_hash


def fit_origin(inputs: FitInputs, pseudo_labels: Path, heads: Path) -> dict[str, Any]:
    """Return the fact ``fitted_on`` of a detector, JSON-ready.

    Args:
        inputs: As they were read.
        pseudo_labels: File that the pseudo-labels were read from.
        heads: Folder that the heads were read from.
    """
    return {
        "bank": {key: inputs.about.get(key) for key in ("dataset", "key", "rows")},
        "heads": {path.name: file_hash(path) for path in sorted(heads.glob("*.safetensors"))},
        "pseudo_labels": file_hash(pseudo_labels),
        "text": {
            name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
            for name, array in sorted(inputs.text.items())
        },
    }
