"""The report as one HTML page that opens offline: pictures inside, no script, no foreign host."""

import base64
from html import escape
from pathlib import Path

from pipeline.percent import NOT_APPLICABLE
from pipeline.report.document import Section
from pipeline.report.pictures import Picture
from pipeline.report.tables import Table

MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}

STYLESHEET = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff;
       margin: 0 auto; padding: 1.5rem 2rem 4rem; max-width: 84rem; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem; border-bottom: 1px solid #ddd; }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
nav a { margin-right: 1rem; white-space: nowrap; }
a { color: #0b5a8c; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid #eee; }
th:first-child, td:first-child, table.prose th, table.prose td { text-align: left; }
td:first-child { position: sticky; left: 0; background: inherit; white-space: nowrap; }
thead th { border-bottom: 2px solid #999; vertical-align: bottom; }
tbody tr { background: #fff; }
tbody tr:hover { background: #f2f7fa; }
td.absent { color: #888; }
td .interval { display: block; color: #666; font-size: .85em; white-space: nowrap; }
.note, figcaption { color: #555; font-size: .88rem; max-width: 60rem; }
.warning { border-left: .3rem solid #d55e00; padding: .3rem .7rem; font-weight: 600; }
figure { margin: 1.2rem 0; }
figure img { max-width: 100%; height: auto; }
"""


def html_page(title: str, lead: str, content: tuple[Section, ...]) -> str:
    """Return the whole page.

    Args:
        title: Title and first heading.
        lead: A paragraph under the heading.
        content: The sections; their pictures are read from disk and embedded.

    Raises:
        FileNotFoundError: If a picture is missing.
        ValueError: If a picture is neither SVG nor PNG.
    """
    links = "".join(f'<a href="#{part.name}">{escape(part.title)}</a>' for part in content)
    body = "\n".join(_section(part) for part in content)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLESHEET}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n<p>{escape(lead)}</p>\n<nav>{links}</nav>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _section(section: Section) -> str:
    parts = [f'<section id="{section.name}">', f"<h2>{escape(section.title)}</h2>"]
    parts += [f'<p class="warning">{escape(text)}</p>' for text in section.warnings]
    if section.paragraphs:
        items = "".join(f"<li>{escape(text)}</li>" for text in section.paragraphs)
        parts.append(f"<ul>{items}</ul>")
    parts += [html_table(table) for table in section.tables]
    parts += [_figure(picture) for picture in section.pictures]
    return "\n".join([*parts, "</section>"])


def html_table(table: Table) -> str:
    """Write one table; cells of prose are set left, numbers right."""
    numbers = all(len(_parted(cell)[0]) <= 24 for row in table.rows for cell in row[1:])
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "\n".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in table.rows)
    kind = "" if numbers else ' class="prose"'
    note = f'\n<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<h3>{escape(table.title)}</h3>\n<div class="wide"><table{kind}>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>{note}"
    )


def _cell(text: str) -> str:
    if text == NOT_APPLICABLE:
        return f'<td class="absent">{text}</td>'
    value, interval = _parted(text)
    if interval:
        return f'<td>{escape(value)} <span class="interval">({escape(interval)}</span></td>'
    return f"<td>{escape(text)}</td>"


def _parted(text: str) -> tuple[str, str]:
    """A number and the interval behind it, which goes on a line of its own; else the whole text."""
    value, bracket, interval = text.partition(" (")
    is_interval = bracket and ("–" in interval or " to " in interval) and interval.endswith(")")
    return (value, interval) if is_interval else (text, "")


def _figure(picture: Picture) -> str:
    image = f'<img src="{_data_uri(picture.path)}" alt="{escape(picture.alt)}">'
    return f"<figure>{image}\n<figcaption>{escape(picture.caption)}</figcaption></figure>"


def _data_uri(path: Path) -> str:
    if path.suffix not in MEDIA_TYPES:
        raise ValueError(f"a picture of the report must be .svg or .png, got {path}")
    data = base64.b64encode(path.read_bytes()).decode()
    return f"data:{MEDIA_TYPES[path.suffix]};base64,{data}"
