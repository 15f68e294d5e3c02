"""The report's order: sections of text, tables and pictures, and their Markdown form."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.findings.told_claims import not_measured
from pipeline.report import background, contents
from pipeline.report.attacks import attack_table, transfer_table
from pipeline.report.claims import claims_table, differences_table
from pipeline.report.comparisons import comparisons_table
from pipeline.report.hardest_classes import classes_table
from pipeline.report.leaks import leaks
from pipeline.report.lines import lines_table
from pipeline.report.pictures import Picture, captions, sheet_caption
from pipeline.report.provenance import provenance_tables
from pipeline.report.records import Records
from pipeline.report.seed_spread import seeds_table
from pipeline.report.tables import Table, markdown
from pipeline.report.wording import conventions


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
    caption = captions(records)
    pictures = {name: Picture(figures[name], caption[name]) for name in figures}

    def drawn(*names: str) -> tuple[Picture, ...]:
        return tuple(pictures[name] for name in names if name in pictures)

    headline, found = contents.headline_table(records), leaks(records)
    several = len(records.scope.backbones) > 1  # one alone stands whole in section AUROC
    crafted = tuple(records.scope.crafted)
    parts = (
        Section(
            "headline",
            "Result",
            warnings=tuple(filter(None, [found.copies])),
            tables=(replace(headline, note=f"{headline.note} {found.look_alikes}".rstrip()),),
        ),
        Section(
            "claims",
            "Claims",
            paragraphs=tuple(filter(None, [not_measured(records.claims, records.scope.benchmark)])),
            tables=(claims_table(records), differences_table(records)),
        ),
        Section(
            "accuracy",
            "ID accuracy and OOD detection",
            tables=(
                contents.accuracy_table(records),
                lines_table(records),
                contents.accepted_table(records),
            ),
            pictures=drawn("accuracy_against_auroc"),
        ),
        Section(
            "auroc",
            "AUROC",
            tables=(
                contents.metric_table(records, "auroc"),
                seeds_table(records),
                classes_table(records),
            ),
            pictures=drawn("mean_auroc", "auroc_by_set"),
        ),
        Section("fpr95", "FPR at 95 % TPR", tables=(contents.metric_table(records, "fpr95"),)),
        Section("comparisons", "Methods against each other", tables=(comparisons_table(records),)),
        Section(
            "backbones",
            "Every backbone",
            tables=(contents.backbones_table(records),) if several else (),
            pictures=drawn("auroc_by_backbone"),
        ),
        Section("scores", "Scores", pictures=drawn("roc", "score_histograms")),
        Section(
            "adversarial",
            "Crafted images",
            tables=(*(attack_table(records, name) for name in crafted), transfer_table(records)),
            pictures=(
                *drawn("attack_curves"),
                *(Picture(path, sheet_caption(path.stem)) for path in contact_sheets if crafted),
            ),
        ),
        Section(
            "notes",
            "Notes",
            paragraphs=background.notes(records),
            tables=(background.not_applicable_table(records),),
        ),
        Section("conventions", "Conventions", paragraphs=conventions(records)),
        Section("provenance", "Provenance", tables=provenance_tables(records)),
    )
    return tuple(filled for part in parts if (filled := _without_empty(part)))


def _without_empty(part: Section) -> Section | None:
    """A section with the tables that have rows, or nothing where nothing is left of it."""
    filled = replace(part, tables=tuple(table for table in part.tables if table.rows))
    some = filled.warnings or filled.paragraphs or filled.tables or filled.pictures
    return filled if some else None


def markdown_document(title: str, lead: str, content: tuple[Section, ...], *, folder: Path) -> str:
    """Write the sections as Markdown, each between the markers of its block.

    Args:
        title: First heading.
        lead: A paragraph below it.
        content: What to write.
        folder: Where the document will lie; pictures are linked relative to it.
    """
    parts = [f"# {title}\n", f"{lead}\n"]
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
