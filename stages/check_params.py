"""Check parameters before anything expensive runs; write those that a matrix of stages shares.

    python -m stages.check_params EVALUATE EXTRACT METHODS TEXT

Reads   all of params.yaml, and the lists of names that are files of the user's own
Writes  EVALUATE   {"evaluate": ...}, for every stage that evaluates
        EXTRACT    {"extract": ..., "images": ...}, for every extraction
        METHODS    the table of methods, every score and parameter known, in the order of the tables
        TEXT       {"benchmark": {"class_names": ...}, "lists": ..., "text": ...}, for every text
                   tower; `lists` holds the SHA-256 of the user's own files

One small file for many items: DVC would parse params.yaml, and repeat the section in dvc.lock, for
each of them. A change of any other section rewrites the same bytes, so that nothing else runs.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pipeline.files import file_hash, write_text
from pipeline.param_checks.every_check import check_every
from pipeline.param_checks.finetuned_classifiers import finetuned_classifiers_warning
from pipeline.param_checks.glyph_backbones import glyph_backbones_warning
from pipeline.param_checks.text_names import own_lists
from pipeline.params import read_params
from pipeline.stage import run_stage


def run(params: dict[str, Any]) -> dict[str, str]:
    """Return the text of each file, of parameters that are all known and fit together.

    Raises:
        ValueError: If a section has an unknown key or a wrong value, or names what is not there.
    """
    checked = check_every(params)
    return {
        "evaluate": _text({"evaluate": params["evaluate"]}),
        "extract": _text({name: params[name] for name in ("extract", "images")}),
        "methods": _text(params["methods"]),
        "text": _text(
            {
                "benchmark": {"class_names": params["benchmark"]["class_names"]},
                "lists": {name: file_hash(path) for name, path in own_lists(checked).items()},
                "text": params["text"],
            }
        ),
    }


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1) + "\n"


def main() -> None:
    """Read the parameters, check, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for path in ("evaluate", "extract", "methods", "text"):
        parser.add_argument(path, type=Path)
    args = parser.parse_args()

    params = read_params()
    for name, text in run(params).items():
        write_text(getattr(args, name), text)
    for warning in filter(
        None, (glyph_backbones_warning(params), finetuned_classifiers_warning(params))
    ):
        print(f"warning: {warning}", file=sys.stderr)


if __name__ == "__main__":
    run_stage(main)
