"""Check the table of methods before anything expensive runs; write it for the stages that score.

    python -m stages.check_methods METHODS

Reads   methods of params.yaml
Writes  METHODS   the same table as JSON, every score and parameter known
"""

import argparse
import json
from pathlib import Path
from typing import Any

from pipeline.files import write_text
from pipeline.params import read_section
from pipeline.scores import check_methods


def run(methods: Any) -> str:
    """Return the checked table as text; its order is the order of the tables."""
    if not isinstance(methods, dict) or not methods:
        raise ValueError(f"methods must be a table of at least one method, got {methods!r}")
    check_methods(methods)
    return json.dumps(methods, indent=1) + "\n"


def main() -> None:
    """Read the parameters, check, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("methods", type=Path)
    args = parser.parse_args()

    try:
        text = run(read_section("methods"))
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    write_text(args.methods, text)


if __name__ == "__main__":
    main()
