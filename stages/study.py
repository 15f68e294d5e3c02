"""Compare the backbones and methods of the study, and judge the paper's claims.

    python -m stages.study REPORTS

Reads   REPORTS/evaluation/<backbone>/<dataset>.json, REPORTS/accuracy/<backbone>.json and
        REPORTS/adversarial/<backbone>/<crafted set>.json of every name in params.yaml
Writes  REPORTS/results.csv, results.parquet   every number: metrics per set and mean, accuracies
        REPORTS/study.json              R², differences and changes, for `dvc metrics`
        REPORTS/study/lines.csv         R² of every OOD set and mean, or why it has none
        REPORTS/study/comparisons.csv   paired tests with Holm's correction
        REPORTS/study/fine_tuning.csv   linear probes against fine-tuned models, set by set
        REPORTS/study/adversarial.csv   the attacked images before and after
        REPORTS/study/claims.csv        the claims table
"""

import argparse
from pathlib import Path

import polars as pl

from pipeline.files import write_text
from pipeline.findings.claims import claims_table
from pipeline.findings.fine_tuning import fine_tuning_table
from pipeline.findings.line_table import lines_table
from pipeline.findings.study_numbers import study_numbers
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_records import read_study
from pipeline.findings.study_scope import StudyScope, study_scope
from pipeline.findings.study_tables import adversarial_table, comparisons_table, results_table
from pipeline.findings.told_claims import not_measured, told_claims
from pipeline.json_text import write_json
from pipeline.params import load_params, read_section
from pipeline.parquet_files import write_parquet
from pipeline.stage import run_stage


def run(reports: Path, scope: StudyScope, params: StudyParams) -> pl.DataFrame:
    """Write the study next to its records and return the claims table."""
    records = read_study(reports, scope)
    results = results_table(records)
    write_text(reports / "results.csv", results.write_csv(float_precision=6))
    write_parquet(reports / "results.parquet", results, statistics=False)
    claims = claims_table(records, params)
    write_json(reports / "study.json", study_numbers(records, params))
    folder = reports / "study"
    tables = {
        "comparisons": comparisons_table(records),
        "adversarial": adversarial_table(records),
        "claims": claims,
        "fine_tuning": fine_tuning_table(records, params),
        "lines": lines_table(records, params),
    }
    for name, table in tables.items():
        write_text(folder / f"{name}.csv", table.write_csv())
    return claims


def summary(claims: pl.DataFrame, benchmark: str) -> list[str]:
    """What the log says: the claims that the benchmark is told about, and which are left open."""
    lines = [
        f"{row['claim']}  {row['statement']}: {row['ours']}  {row['on']}".rstrip()
        for row in told_claims(claims, benchmark).iter_rows(named=True)
    ]
    left_open = not_measured(claims, benchmark)
    return [*lines, left_open] if left_open else lines


def read_scope() -> StudyScope:
    """Collect the names of params.yaml that say which records belong to the study."""
    return study_scope(
        backbones=read_section("backbones"),
        benchmark=read_section("benchmark"),
        ood=read_section("matrix.ood"),
        crafted=read_section("matrix.crafted"),
        datasets=read_section("datasets"),
    )


def main() -> None:
    """Parse the paths, read the parameters, run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", type=Path)
    args = parser.parse_args()

    scope = read_scope()
    claims = run(args.reports, scope, load_params("study", StudyParams))
    print("\n".join(summary(claims, scope.benchmark)))


if __name__ == "__main__":
    run_stage(main)
