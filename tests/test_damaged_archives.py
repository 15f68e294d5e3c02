"""A damaged or shortened tar archive is refused: it must never read as a smaller data set."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.sources import SourceError, open_source, read_spec

COUNT = 40
END = 1024  # two blocks of zeros


def content(count: int = COUNT, *, first: int = 0) -> bytes:
    """An archive of files of 600 random bytes: three blocks each, a header and two of data."""
    noise = np.random.default_rng(0)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(first, first + count):
            member = tarfile.TarInfo(f"set/{number:03d}.jpg")
            member.size = 600
            archive.addfile(member, io.BytesIO(noise.bytes(600)))
    return buffer.getvalue()


def header(number: int) -> int:
    return 3 * 512 * number


def listed(path: Path, data: bytes) -> list[str]:
    path.write_bytes(data)
    return [entry.path for entry in open_source(read_spec("mine", str(path))).entries()]


def test_a_flipped_bit_in_a_header_is_an_error_at_its_offset(tmp_path):
    """By hand: member 20 begins at 20 x 3 x 512 = 30720."""
    damaged = bytearray(content())
    damaged[header(20) + 3] ^= 1

    with pytest.raises(SourceError, match=r"a\.tar' is damaged: at offset 30720 .* neither"):
        listed(tmp_path / "a.tar", bytes(damaged))
    with pytest.raises(SourceError, match=r"at offset 30720 of the unpacked content .* get the"):
        listed(tmp_path / "a.tar.gz", gzip.compress(bytes(damaged)))


def test_an_archive_cut_between_two_files_is_an_error(tmp_path):
    for cut in (content()[: header(20)], content()[: header(COUNT)] + b"\0" * 100):
        with pytest.raises(SourceError, match=r"stops without an end marker, as if it were cut"):
            listed(tmp_path / "a.tar", cut)
        with pytest.raises(SourceError, match="stops without an end marker"):
            listed(tmp_path / "a.tar.gz", gzip.compress(cut))


def test_a_hole_of_zeros_over_whole_files_is_no_end_marker(tmp_path):
    damaged = bytearray(content())
    damaged[header(8) : header(16)] = bytes(header(8))

    with pytest.raises(SourceError, match=f"at offset {header(8)} .* more follows at offset 24576"):
        listed(tmp_path / "a.tar", bytes(damaged))


@pytest.mark.parametrize("start", range(4000, 20000, 1600))
def test_a_hole_in_a_compressed_archive_is_an_error_wherever_it_lies(start, tmp_path):
    damaged = bytearray(gzip.compress(content()))
    damaged[start : start + 4096] = bytes(4096)

    with pytest.raises(SourceError, match=r"a\.tar\.gz' is (damaged|no readable)"):
        listed(tmp_path / "a.tar.gz", bytes(damaged))


def test_the_checksum_at_the_end_of_gzip_is_compared(tmp_path):
    """Every header is intact: only the checksum tells that bytes of an image changed."""
    whole = gzip.compress(content(), compresslevel=0)
    image = whole.index(content()[512:1112][:50])
    for place in (image, len(whole) - 6, len(whole) - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        with pytest.raises(SourceError, match=r"no readable tar archive .*incorrect"):
            listed(tmp_path / "a.tar.gz", bytes(damaged))


def test_cifars_archive_is_checked_to_its_end_too(tmp_path):
    whole = bytearray(gzip.compress(content()))
    whole[-6] ^= 1
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(whole)

    with pytest.raises(SourceError, match=r"python\.tar\.gz' is no readable archive .CRC"):
        open_source(read_spec("mine", str(path))).entries()


@pytest.mark.parametrize("blocks", [1, 2, 100])
def test_any_whole_number_of_zero_blocks_ends_an_archive(blocks, tmp_path):
    data = content()[: header(COUNT)] + bytes(512 * blocks)

    assert len(listed(tmp_path / "a.tar", data)) == COUNT
    assert len(listed(tmp_path / "a.tar.gz", gzip.compress(data))) == COUNT


def test_archives_joined_end_to_end_are_refused_not_half_read(tmp_path):
    joined = content(3)[: header(3) + END] + content(2, first=3)

    with pytest.raises(SourceError, match=r"more follows at offset 5632; if two archives were jo"):
        listed(tmp_path / "a.tar", joined)


def test_one_archive_in_several_gzip_members_with_padding_between_and_behind_is_whole(tmp_path):
    data = content()
    parts = [gzip.compress(data[:10_000]), bytes(300_000), gzip.compress(data[10_000:]), bytes(7)]

    assert len(listed(tmp_path / "a.tar.gz", b"".join(parts))) == COUNT
