"""The report's order: sections of text, tables and pictures, and their Markdown form."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.report import background, contents
from pipeline.report.attacks import attack_table, transfer_table
from pipeline.report.claims import claims_table, differences_table, not_measured
from pipeline.report.comparisons import comparisons_table
from pipeline.report.leaks import leak_lines
from pipeline.report.lines import lines_table
from pipeline.report.pictures import CAPTIONS, Picture, sheet_caption
from pipeline.report.provenance import provenance_tables
from pipeline.report.records import Records
from pipeline.report.seed_spread import seeds_table
from pipeline.report.tables import Table, markdown


@dataclass(frozen=True)
class Section:
    """One heading with everything under it; the name marks its block in Markdown.

    ``warnings`` stand before all else of the section, in bold.
    """

    name: str
    title: str
    warnings: tuple[str, ...] = ()
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()


CONVENTIONS = (
    "Scores are higher for in-distribution images. ID is the positive class.",
    "fpr95 is the share of OOD images accepted at the highest observed threshold that accepts at "
    "least 95 % of the ID images. OpenOOD 1.5 reports another quantity under this name (OOD is its "
    "positive class): it stands here as fpr95_ood, in results.csv.",
    "AUROC counts ties one half. Nothing is interpolated and no tie is dropped.",
    "A mean over OOD sets is the mean of the per-set values; rows are never pooled.",
    "Intervals come from a seeded, stratified bootstrap over images (of accuracies by Wilson); "
    "those of means and differences over sets from as many draws as evaluate.replicates keeps. "
    "They hold the "
    "spread of the test images, not that of another training run. DeLong's intervals of AUROC "
    "stand beside them in results.csv, as auroc_delong. Where no resample changes a metric, as "
    "with perfect separation, its interval is a bound from the number of images (for average "
    "precisions of constant scores there is none: low and high are the value). Just short of "
    "perfect, where a few pairs are in the wrong order, resampling gives narrower intervals than "
    "that bound: they hold the spread of images like these, not what so few images cannot show.",
    "100.0 and 0.0 mean just that: what only rounds to them is written with more digits.",
    "n/a: the method does not apply to the backbone; the reason stands in its own table.",
)


def sections(
    records: Records,
    *,
    figures: dict[str, Path],
    contact_sheets: tuple[Path, ...] = (),
) -> tuple[Section, ...]:
    """Return the report in reading order: the result first, how it came about last.

    Args:
        records: What the tables show.
        figures: Paths of the drawn figures by name.
        contact_sheets: Pictures of crafted images.
    """
    pictures = {name: Picture(figures[name], CAPTIONS[name]) for name in figures}

    def drawn(*names: str) -> tuple[Picture, ...]:
        return tuple(pictures[name] for name in names if name in pictures)

    hardest = contents.classes_table(records)
    compared, lines = comparisons_table(records), lines_table(records)
    claims, differences = claims_table(records), differences_table(records)
    absent, seeds = background.not_applicable_table(records), seeds_table(records)
    noted = background.notes(records)
    return (
        Section(
            "headline",
            "Result",
            warnings=leak_lines(records),
            tables=(contents.headline_table(records),),
        ),
        Section(
            "claims",
            "Claims",
            paragraphs=tuple(filter(None, [not_measured(records)])),
            tables=tuple(table for table in (claims, differences) if table.rows),
        ),
        Section(
            "accuracy",
            "ID accuracy and OOD detection",
            tables=(
                contents.accuracy_table(records),
                *((lines,) if lines.rows else ()),
                contents.accepted_table(records),
            ),
            pictures=drawn("accuracy_against_auroc"),
        ),
        Section(
            "auroc",
            "AUROC",
            tables=(
                contents.metric_table(records, "auroc"),
                *((seeds,) if seeds.rows else ()),
                *((hardest,) if hardest.rows else ()),
            ),
            pictures=drawn("mean_auroc", "auroc_by_set"),
        ),
        Section("fpr95", "FPR at 95 % TPR", tables=(contents.metric_table(records, "fpr95"),)),
        *(
            (Section("comparisons", "Methods against each other", tables=(compared,)),)
            if compared.rows
            else ()
        ),
        Section(
            "backbones",
            "Every backbone",
            tables=(contents.backbones_table(records),),
            pictures=drawn("auroc_by_backbone"),
        ),
        Section("scores", "Scores", pictures=drawn("roc", "score_histograms")),
        *(
            (
                Section(
                    "adversarial",
                    "Crafted images",
                    tables=(
                        *(attack_table(records, name) for name in records.scope.crafted),
                        transfer_table(records),
                    ),
                    pictures=(
                        *drawn("attack_curves"),
                        *(Picture(path, sheet_caption(path.stem)) for path in contact_sheets),
                    ),
                ),
            )
            if records.scope.crafted
            else ()
        ),
        Section(
            "notes",
            "Notes",
            paragraphs=noted or ("No constant scores, no dead classes.",),
            tables=(absent,) if absent.rows else (),
        ),
        Section("conventions", "Conventions", paragraphs=CONVENTIONS),
        Section("provenance", "Provenance", tables=provenance_tables(records)),
    )


def markdown_document(title: str, content: tuple[Section, ...], *, folder: Path) -> str:
    """Write the sections as Markdown, each between the markers of its block.

    Args:
        title: First heading.
        content: What to write.
        folder: Where the document will lie; pictures are linked relative to it.
    """
    parts = [f"# {title}\n"]
    for section in content:
        lines = [f"## {section.title}\n", f"<!-- begin: {section.name} -->\n"]
        lines += [f"**{text}**\n" for text in section.warnings]
        if section.paragraphs:
            lines.append("\n".join(f"- {text}" for text in section.paragraphs) + "\n")
        lines += [markdown(table, level=3) for table in section.tables]
        lines += [
            f"![{picture.alt}]({_link(picture.path, folder)})\n\n*{picture.caption}*\n"
            for picture in section.pictures
        ]
        lines.append(f"<!-- end: {section.name} -->\n")
        parts.append("\n".join(lines))
    return "\n".join(parts)


def _link(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
