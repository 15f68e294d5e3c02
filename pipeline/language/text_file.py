"""Text files that users write: in UTF-8, with or without the mark that Windows puts in front."""

from pathlib import Path


def read_text(path: Path) -> str:
    """Return the content of a text file.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no UTF-8.
    """
    return decode_text(path.read_bytes(), told_by=str(path))


def decode_text(data: bytes, *, told_by: str) -> str:
    """Return the text behind bytes, a byte order mark left out: it would belong to the first word.

    Raises:
        ValueError: If they are no UTF-8; names the file, the line and the cure.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        likely = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "LATIN1"
        raise ValueError(
            f"'{told_by}' must be text in UTF-8; line {line} holds the byte "
            f"0x{data[error.start]:02x}, which is none. Save it as UTF-8 (iconv -f {likely} "
            "-t UTF-8)"
        ) from None
