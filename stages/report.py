"""Write the tables, figures and page that a reader believes; print the headline and where they lie.

    python -m stages.report REPORTS

Reads   REPORTS/evaluation/<backbone>/<dataset>.json, REPORTS/accuracy/<backbone>.json,
        REPORTS/pseudo_labels/<backbone>.json, REPORTS/adversarial/<backbone>/<dataset>.json of
        crafted sets, REPORTS/results.csv, REPORTS/study.json, REPORTS/study/claims.csv, lines.csv
        and comparisons.csv, and the duplicate reports and contact sheets that params.yaml names
Writes  REPORTS/metrics.json  numbers of the headline backbone under keys every backbone shares
        REPORTS/results.md, headline.txt
        REPORTS/figures/*.svg, REPORTS/roc/<dataset>.csv
        REPORTS/report.html   one page, opens offline
"""

import argparse
import csv
import io
import os
import textwrap
from pathlib import Path

from pipeline.files import write_text
from pipeline.findings.study_params import StudyParams
from pipeline.findings.study_scope import study_scope
from pipeline.json_text import write_json
from pipeline.params import load_params, read_section
from pipeline.report import contents
from pipeline.report.attacks import curves_figure
from pipeline.report.document import markdown_document, sections
from pipeline.report.figure_curves import histogram_figure, roc_figure
from pipeline.report.figure_methods import backbones_figure, mean_figure, sets_figure
from pipeline.report.figure_scatter import accuracy_figure
from pipeline.report.figures import save_figure
from pipeline.report.headline import headline_metrics
from pipeline.report.html import html_page
from pipeline.report.leaks import leak_lines
from pipeline.report.read import read_records
from pipeline.report.records import Records, ReportScope
from pipeline.report.report_params import ReportParams
from pipeline.report.tables import plain
from pipeline.report.wording import lead
from pipeline.stage import run_stage

FIGURES = {
    "mean_auroc": mean_figure,
    "accuracy_against_auroc": accuracy_figure,
    "auroc_by_set": sets_figure,
    "auroc_by_backbone": backbones_figure,
    "roc": roc_figure,
    "score_histograms": histogram_figure,
    "attack_curves": curves_figure,
}


def run(reports: Path, scope: ReportScope, params: ReportParams) -> str:
    """Write the report of one study and return its headline; see the module docstring."""
    records = read_records(reports, scope, duplicates=tuple(params.duplicates))
    headline = contents.headline_table(records)

    write_json(reports / "metrics.json", headline_metrics(records))
    for dataset, text in roc_files(records, params.roc_method).items():
        write_text(reports / "roc" / f"{dataset}.csv", text)

    figures = {}
    for name, draw in FIGURES.items():
        figure = draw(records)
        if figure is not None:
            figures[name] = reports / "figures" / f"{name}.svg"
            save_figure(figure, figures[name])
    content = sections(
        records,
        figures=figures,
        contact_sheets=tuple(Path(path) for path in params.contact_sheets),
    )
    title = f"Out-of-distribution detection on {scope.benchmark}"
    write_text(
        reports / "results.md", markdown_document(title, lead(records), content, folder=reports)
    )
    write_text(reports / "report.html", html_page(title, lead(records), content))
    where = f"Report: {reports / 'report.html'}   tables: {reports / 'results.md'}"
    warnings = "".join(f"\n{textwrap.fill(line, width=100)}\n" for line in leak_lines(records))
    printed = f"{plain(headline, width=100).rstrip()}\n{warnings}\n{where}\n"
    write_text(reports / "headline.txt", printed)
    return printed


def roc_files(records: Records, method: str) -> dict[str, str]:
    """Return the ROC points of one method on each set as CSV, for `dvc plots`."""
    files = {}
    for dataset, record in records.evaluations[records.scope.backbone].items():
        if method not in record["roc"]:
            known = ", ".join(sorted(record["roc"]))
            raise ValueError(
                f"report.roc_method must apply to backbone '{records.scope.backbone}', "
                f"got '{method}'; known: {known}"
            )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("fpr", "tpr"))
        writer.writerows(
            zip(record["roc"][method]["fpr"], record["roc"][method]["tpr"], strict=True)
        )
        files[dataset] = text.getvalue()
    return files


def read_scope(params: ReportParams) -> ReportScope:
    """Collect the names of params.yaml that say what the report is of."""
    of_study = study_scope(
        backbones=read_section("backbones"),
        benchmark=read_section("benchmark"),
        ood=read_section("matrix.ood"),
        crafted=read_section("matrix.crafted"),
        datasets=read_section("datasets"),
    )
    return ReportScope(
        **vars(of_study),
        backbone=read_section("backbone"),
        headline_methods=tuple(params.headline_methods),
        study=load_params("study", StudyParams),
    )


def main() -> None:
    """Parse the paths, read the parameters, run, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reports", type=Path)
    args = parser.parse_args()

    params = load_params("report", ReportParams)
    printed = run(args.reports, read_scope(params), params)
    if os.environ.get("OOD_HEADLINE") != "later":  # `make repro` prints it below DVC's own lines
        print(printed, end="")


if __name__ == "__main__":
    run_stage(main)
