"""Say which code each stage runs, so that it reruns when that code changes and not when other does.

    python -m stages.fingerprint_code data/code/extract.json data/code/score.json ...

Writes  data/code/STAGE.json   the script of each stage named and all library files behind it, with
                               the SHA-256 of each without comments and docstrings
"""

import argparse
import json
from pathlib import Path

from pipeline.code_closure import stage_code
from pipeline.files import write_text
from pipeline.stage import run_stage

SCRIPTS = Path(__file__).parent


def main() -> None:
    """Write one file for each stage named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("outputs", type=Path, nargs="+")
    for output in parser.parse_args().outputs:
        script = SCRIPTS / f"{output.stem}.py"
        if not script.is_file():
            known = ", ".join(sorted(path.stem for path in SCRIPTS.glob("[a-z]*.py")))
            raise SystemExit(f"error: there is no stage '{output.stem}'; known: {known}")
        write_text(output, json.dumps(stage_code(script), indent=1) + "\n")


if __name__ == "__main__":
    run_stage(main)
