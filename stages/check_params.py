"""Check parameters before anything expensive runs; write those that a matrix of stages shares.

    python -m stages.check_params EVALUATE EXTRACT METHODS

Reads   the sections of CHECKED, and methods, of params.yaml
Writes  EVALUATE   {"evaluate": ...}, for every stage that evaluates
        EXTRACT    {"extract": ..., "images": ...}, for every extraction
        METHODS    the table of methods, every score and parameter known, in the order of the tables

One small file for many items: DVC would parse params.yaml, and repeat the section in dvc.lock, for
each of them.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from pipeline.datasets.images import ImageParams
from pipeline.detectors.fitting import FitParams
from pipeline.extraction.extract_params import ExtractParams
from pipeline.files import write_text
from pipeline.findings.study_records import StudyParams
from pipeline.indexing.indexing import IndexParams
from pipeline.language.text_params import TextParams
from pipeline.params import from_mapping, read_section
from pipeline.scores import check_methods
from pipeline.scores.fitted import check_names
from pipeline.statistics.evaluation_params import EvaluateParams
from pipeline.training.probe_recipe import ProbeParams
from pipeline.training.pseudo_labels import PseudoLabelParams

CHECKED: dict[str, type] = {
    "evaluate": EvaluateParams,
    "extract": ExtractParams,
    "fit": FitParams,
    "images": ImageParams,
    "index": IndexParams,
    "probe": ProbeParams,
    "pseudo_label": PseudoLabelParams,
    "study": StudyParams,
    "text": TextParams,
}


def run(params: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file, of parameters that are all known.

    Raises:
        ValueError: If a section has an unknown key or a wrong value, or a method is unknown or
            names what is never trained or fitted.
    """
    read = {
        section: from_mapping(schema, params[section], section=section)
        for section, schema in CHECKED.items()
    }
    methods = params["methods"]
    if not isinstance(methods, dict) or not methods:
        raise ValueError(f"methods must be a table of at least one method, got {methods!r}")
    check_methods(methods)
    parts = ("gaussians", "residuals", "head_statistics")
    check_names(methods, {part: list(getattr(read["fit"], part)) for part in parts})
    return {
        "evaluate": _text({"evaluate": params["evaluate"]}),
        "extract": _text({name: params[name] for name in ("extract", "images")}),
        "methods": _text(methods),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


def main() -> None:
    """Read the parameters, check, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("evaluate", "extract", "methods"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    try:
        texts = run({section: read_section(section) for section in (*CHECKED, "methods")})
    except (ValueError, KeyError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error
        raise SystemExit(f"error: {message}") from None
    for name, text in texts.items():
        write_text(getattr(args, name), text)


if __name__ == "__main__":
    main()
