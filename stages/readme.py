"""Fill the generated blocks of README.md from the report.

    python -m stages.readme [README] [--reports REPORTS] [--check]

Reads   REPORTS/results.md    its blocks, by name
        REPORTS/headline.txt  what the report prints, as block `printed`
Writes  README                everything outside the blocks stays as it is; with --check nothing is
        written, and a README that is behind its reports is an error
"""

import argparse
import sys
from pathlib import Path

from pipeline.files import write_text
from pipeline.report.readme import read_blocks, rebase_links, replace_blocks
from pipeline.stage import run_stage


def run(readme: Path, reports: Path) -> str:
    """Return the README with its blocks filled; see the module docstring."""
    results = (reports / "results.md").read_text(encoding="utf-8")
    blocks = {name: rebase_links(text, reports) for name, text in read_blocks(results).items()}
    printed = (reports / "headline.txt").read_text(encoding="utf-8").rstrip()
    blocks["printed"] = f"```text\n{printed}\n```"
    return replace_blocks(readme.read_text(encoding="utf-8"), blocks)


def main() -> None:
    """Parse the paths, run, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readme", type=Path, nargs="?", default=Path("README.md"))
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()

    filled = run(args.readme, args.reports)
    if filled == args.readme.read_text(encoding="utf-8"):
        print(f"{args.readme} is up to date")
    elif args.check:
        sys.exit(f"{args.readme} is behind {args.reports}; run `python -m stages.readme`")
    else:
        write_text(args.readme, filled)
        print(f"{args.readme}: generated blocks replaced")


if __name__ == "__main__":
    run_stage(main)
