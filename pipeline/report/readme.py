"""Generated blocks in a hand-written document: replaced whole, everything else kept."""

import re
from pathlib import Path

_BLOCK = re.compile(
    r"^<!-- begin: (?P<name>[a-z0-9_]+) -->\n(?P<body>.*?)^<!-- end: (?P=name) -->$",
    re.DOTALL | re.MULTILINE,
)


def read_blocks(document: str) -> dict[str, str]:
    """Return the text between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->`` by name.

    Raises:
        ValueError: If a name occurs twice, or a marker has no partner.
    """
    blocks: dict[str, str] = {}
    for match in _BLOCK.finditer(document):
        if match["name"] in blocks:
            raise ValueError(f"block '{match['name']}' must occur once, found it twice")
        blocks[match["name"]] = match["body"]
    markers = len(re.findall(r"^<!-- (?:begin|end): ", document, re.MULTILINE))
    if markers != 2 * len(blocks):
        raise ValueError(
            f"every '<!-- begin: NAME -->' needs its '<!-- end: NAME -->' on a line of its own; "
            f"found {markers} markers and {len(blocks)} whole blocks"
        )
    return blocks


def replace_blocks(document: str, blocks: dict[str, str]) -> str:
    """Fill every block of a document with the new text of its name.

    Raises:
        ValueError: If the document has a block that nothing fills; the known names are listed.
    """
    for name in read_blocks(document):
        if name not in blocks:
            raise ValueError(
                f"nothing fills the block '{name}'; known: {', '.join(sorted(blocks))}"
            )

    def filled(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- begin: {name} -->\n{blocks[name].rstrip()}\n\n<!-- end: {name} -->"

    return _BLOCK.sub(filled, document)


def rebase_links(text: str, folder: Path) -> str:
    """Make relative picture links of a document in `folder` right for one beside the folder."""
    return re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|/)", rf"\g<1>{folder.as_posix()}/", text)
