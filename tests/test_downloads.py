"""Downloads from a server on this machine that misbehaves in every way a real one does."""

import hashlib
import http.server
import io
import os
import re
import subprocess
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pipeline import file_lock, files
from pipeline.fetching import archives, partial_files, transfer
from pipeline.fetching.archives import unpack
from pipeline.fetching.downloads import fetch
from pipeline.fetching.entry import Download, find, missing_bytes, with_size
from pipeline.fetching.errors import DownloadError
from pipeline.sources import SourceError, open_source, read_spec
from stages import fetch as stage

CONTENT = np.random.default_rng(0).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
BROKEN_ONCE = ("/half", "/changed", "/replaced", "/grown", "/weak", "/elsewhere")
UNRANGED = ("/stubborn", "/alternating")  # without range requests


def packed(members: list[str]) -> bytes:
    """A zip archive in memory."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in members:
            archive.writestr(member, "a.jpg 1")
    return file.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT at several addresses, each with a fault."""

    def do_HEAD(self):
        """Say how large the file is, or nothing of it."""
        if self.path in ("/moved", "/gone"):
            self.do_GET()
            return
        self.send_response(200)
        if self.path == "/page":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()

    def do_GET(self):
        """Answer by the path."""
        server = self.server
        server.seen.append((self.path, self.headers.get("Range")))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good.bin")
            self.end_headers()
            return
        if self.path == "/gone":
            self.send_error(404, "Not Found")
            return
        body, etag = CONTENT, '"one"'
        if self.path == "/page":
            body, etag = b"\n<!DOCTYPE html><title>log in</title>", None
        if self.path == "/commented":
            body = b"\xef\xbb\xbf\n<!-- saved from url --><html><title>log in</title>"
        if self.path == "/empty":
            body = b""
        if self.path == "/weak":
            etag = DATE
        if self.path == "/unmarked":
            etag = None
        if self.path == "/cut.zip":
            body = packed(["lists/a.txt"])
        if self.path in ("/replaced", "/grown") and len(server.seen) == 1:
            body = CONTENT[::-1]
        if self.path in ("/changed", "/replaced") and len(server.seen) > 1:
            etag = '"two"'
        start = self._range(etag)
        if self.path == "/elsewhere" and len(server.seen) == 2:
            start -= 50_000
        server.starts.append(start)
        if self.path == "/portions":
            self._portion(body, start)
            return
        if start >= len(body) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if self.path != "/cut.zip":
            self.send_header("Content-Length", str(len(body) - start))
        if start:
            total = len(body) + (self.path == "/grown" and len(server.seen) == 2)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{total}")
        if self.path == "/weak":
            self.send_header("ETag", 'W/"one"')
            self.send_header("Last-Modified", DATE)
            self.send_header("Accept-Ranges", "bytes")
        elif etag:
            self.send_header("ETag", etag)
        if self.path == "/packed":
            self.send_header("Content-Encoding", "gzip")
        if self.path == "/typed":
            self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        stop = len(body)
        if self.path in BROKEN_ONCE and len(server.seen) == 1:
            stop = 100_000
        if self.path == "/unmarked":
            stop = min(start + 100_000, len(body))
        if self.path == "/parts":
            stop = min(start + 30_000, len(body))
        if self.path == "/cut.zip":
            stop = len(body) - 30
        if self.path == "/alternating":
            stop = 1000 if len(server.seen) % 2 else 2000
        if self.path == "/never":
            stop = min(start + 1000, 5000) if start < 5000 else start
        self.wfile.write(body[start:stop])

    def _range(self, etag):
        wanted = self.headers.get("Range")
        if wanted is None or self.path in UNRANGED:
            return 0
        if self.path != "/replaced" and self.headers.get("If-Range") not in (None, etag):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _portion(self, body, start):
        """At most 100,000 bytes of whatever is asked for, as some caches give."""
        stop = min(start + 100_000, len(body))
        self.send_response(206)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(body[start:stop])

    def log_message(self, *args):
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer.time, "sleep", lambda seconds: None)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.seen, running.starts = [], []
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    running.address = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def at(server, path, **fields):
    return Download(file="set.bin", url=server.address + path, **fields)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["/good.bin", "/moved", "/half", "/changed", "/stubborn"])
def test_the_file_arrives_whole(server, tmp_path, path):
    """Plain, redirected, broken off half-way, replaced half-way, without range requests."""
    assert fetch(at(server, path, md5=MD5), tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["set.bin"]


@pytest.mark.parametrize("stated", [7, 299_999, 300_001, 900_000])
def test_a_wrong_stated_size_does_not_stop_a_file_whose_checksum_fits(server, tmp_path, stated):
    """Neither while it comes nor where it is there: the statement is for the plan."""
    plan = [stage.Wanted(("a",), at(server, "/half", md5=MD5, bytes=stated))]
    assert stage.run(plan, tmp_path) == []
    assert stage.run(plan, tmp_path) == []
    assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_broken_off_download_goes_on_where_it_stopped(server, tmp_path):
    fetch(at(server, "/half", md5=MD5), tmp_path)
    assert server.seen == [("/half", None), ("/half", "bytes=100000-")]


@pytest.mark.parametrize("md5", [MD5, None])
@pytest.mark.parametrize("path", ["/replaced", "/grown"])
def test_a_file_that_changed_is_begun_anew_though_the_server_would_continue_it(
    server, tmp_path, path, md5
):
    """It does not heed If-Range; the new ETag or size tells. Parts of two files used to be one."""
    assert fetch(at(server, path, md5=md5), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 100_000, 0]


def test_an_answer_from_another_place_is_not_appended(server, tmp_path):
    """It goes on at 50,000 where 100,000 were there; the size would be the right one."""
    assert fetch(at(server, "/elsewhere"), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 50_000, 100_000]


@pytest.mark.parametrize("md5", [MD5, None])
def test_a_file_that_comes_in_portions_is_whole_in_the_end(server, tmp_path, md5):
    """The first of them used to count as the whole file."""
    assert fetch(at(server, "/portions", md5=md5), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 100_000, 200_000]


def test_a_weak_etag_resumes_by_the_date(server, tmp_path):
    """A weak ETag cannot tell whether the bytes are the same; Last-Modified can."""
    assert fetch(at(server, "/weak", md5=MD5), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 100_000]


def test_a_server_that_breaks_off_now_here_now_there_is_given_up(server, tmp_path):
    """1,000 and 2,000 bytes in turn: only the first two requests got further than ever."""
    with pytest.raises(DownloadError, match="broke off after"):
        fetch(at(server, "/alternating", md5=MD5), tmp_path)
    assert len(server.seen) == 2 + transfer.ATTEMPTS


def test_a_partial_file_of_an_earlier_run_is_continued(server, tmp_path):
    (tmp_path / "set.bin.partial").write_bytes(CONTENT[:7])
    (tmp_path / "set.bin.partial.json").write_text('{"same": "\\"one\\""}')
    fetch(at(server, "/good.bin", md5=MD5), tmp_path)
    assert server.seen == [("/good.bin", "bytes=7-")]


@pytest.mark.parametrize(("kept", "starts"), [(CONTENT, [300_000]), (CONTENT + b"x", [300_001, 0])])
def test_a_whole_partial_file_is_not_downloaded_again(server, tmp_path, kept, starts):
    """Killed while it was verified; one that is too long begins anew."""
    (tmp_path / "set.bin.partial").write_bytes(kept)
    (tmp_path / "set.bin.partial.json").write_text('{"same": "\\"one\\""}')
    assert fetch(at(server, "/good.bin", md5=MD5), tmp_path).read_bytes() == CONTENT
    assert server.starts == starts


def test_a_server_that_says_nothing_of_its_files_is_continued_where_a_checksum_will_tell(
    server, tmp_path
):
    """It always breaks off after 100,000 bytes; without a checksum nothing proves the whole."""
    assert fetch(at(server, "/unmarked", md5=MD5), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 100_000, 200_000]
    (tmp_path / "set.bin").unlink()
    server.starts.clear()
    with pytest.raises(DownloadError, match="broke off after 100,000 bytes"):
        fetch(at(server, "/unmarked"), tmp_path)
    assert set(server.starts) == {0}


def test_a_long_part_that_cannot_be_continued_costs_no_patience(server, tmp_path, monkeypatch):
    """Ten parts of 30,000 bytes are ten steps on, though 300,000 unknown bytes lay there."""
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    (tmp_path / "set.bin.partial").write_bytes(b"x" * 300_000)
    assert fetch(at(server, "/parts"), tmp_path).read_bytes() == CONTENT
    assert server.starts == list(range(0, 300_000, 30_000))


def test_a_partial_file_of_unknown_origin_is_not_continued_without_a_checksum(server, tmp_path):
    (tmp_path / "set.bin.partial").write_bytes(CONTENT[:7])
    assert fetch(at(server, "/good.bin"), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0]


@pytest.mark.parametrize(
    ("kept", "starts"),
    [
        (CONTENT[:7], [7]),
        (b"another", [7, 0]),
        (CONTENT, [300_000]),
        (b"x" * 300_000, [300_000, 0]),
    ],
)
def test_parts_that_do_not_fit_together_are_fetched_once_more(server, tmp_path, kept, starts):
    """A part of unknown origin, whose file has a published checksum."""
    (tmp_path / "set.bin.partial").write_bytes(kept)
    assert fetch(at(server, "/good.bin", md5=MD5), tmp_path).read_bytes() == CONTENT
    assert server.starts == starts


def test_a_file_that_is_wrong_from_the_start_is_fetched_no_third_time(server, tmp_path):
    (tmp_path / "set.bin.partial").write_bytes(b"another")
    with pytest.raises(DownloadError, match="kept aside as set.bin.wrong"):
        fetch(at(server, "/unmarked", md5="0" * 32), tmp_path)
    assert server.starts == [7, 100_007, 200_007, 0, 100_000, 200_000]
    assert (tmp_path / "set.bin.wrong").read_bytes() == CONTENT


@pytest.mark.parametrize("note", ['{"sa', "", "[]", "null", '{"same": 3}', '{"other": 1}', b"\xff"])
def test_half_a_note_beside_a_partial_file_is_none(server, tmp_path, note):
    """As a process leaves that is killed while it writes; the other files came to a stop too."""
    (tmp_path / "set.bin.partial").write_bytes(b"something else")
    data = note if isinstance(note, bytes) else note.encode()
    (tmp_path / "set.bin.partial.json").write_bytes(data)

    assert fetch(at(server, "/good.bin"), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0]


def test_a_note_is_never_of_other_bytes_than_those_beside_it(server, tmp_path, monkeypatch):
    """Killed between emptying the file of one version and noting the next."""
    (tmp_path / "set.bin.partial").write_bytes(b"an older version")
    (tmp_path / "set.bin.partial.json").write_text('{"same": "\\"old\\""}')

    def killed(path, text):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(partial_files, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(at(server, "/good.bin"), tmp_path)
    assert not (tmp_path / "set.bin.partial").read_bytes()
    assert names(tmp_path) == ["set.bin.partial"]


def test_a_server_that_never_gets_there_is_given_up_and_the_bytes_kept(server, tmp_path):
    with pytest.raises(DownloadError, match="broke off after .* run the same command again"):
        fetch(at(server, "/never", md5=MD5), tmp_path)
    assert (tmp_path / "set.bin.partial").read_bytes() == CONTENT[:5000]


def test_a_wrong_checksum_is_kept_aside_and_named(server, tmp_path):
    with pytest.raises(DownloadError, match=f"must have the md5 {'0' * 32}, got {MD5}"):
        fetch(at(server, "/good.bin", md5="0" * 32), tmp_path)
    assert names(tmp_path) == ["set.bin.wrong"]


def test_a_wrong_file_that_was_there_before_is_named_and_left_alone(server, tmp_path):
    """It may be a colleague's, on a shared disk."""
    (tmp_path / "set.bin").write_bytes(b"damaged")
    with pytest.raises(DownloadError, match="was there before and is left as it is"):
        fetch(at(server, "/good.bin", md5=MD5), tmp_path)
    assert names(tmp_path) == ["set.bin"]
    assert (tmp_path / "set.bin").read_bytes() == b"damaged"


def test_a_right_file_that_was_there_before_leaves_no_trace(server, tmp_path):
    (tmp_path / "set.bin").write_bytes(CONTENT)
    for download in (at(server, "/good.bin", md5=MD5), at(server, "/good.bin")):
        assert fetch(download, tmp_path) == tmp_path / "set.bin"
    assert names(tmp_path) == ["set.bin"]
    assert server.seen == []


def test_two_fetches_on_one_data_root_make_one_download(server, tmp_path, monkeypatch):
    """Both used to append to one file. The second waits, says for whom, and finds it there."""
    download, said, waiting, came = at(server, "/good.bin", md5=MD5), [], threading.Event(), []
    second = threading.Thread(target=lambda: came.append(fetch(download, tmp_path)))

    def tell(text, **_):
        said.append(text)
        waiting.set()

    def start_second(done, total):
        if not waiting.is_set():
            second.start()
            assert waiting.wait(5)

    monkeypatch.setattr(file_lock, "print", tell, raising=False)
    fetch(download, tmp_path, report=start_second)
    second.join()

    assert came == [tmp_path / "set.bin"]
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    assert len(server.seen) == 1
    assert re.search(r"set.bin is being downloaded by process \d+ on \S+; waiting for it", *said)
    assert names(tmp_path) == ["set.bin"]


def test_two_processes_unpack_an_archive_once(tmp_path, monkeypatch):
    archive = archive_of(tmp_path / "lists.zip", ["lists/a.txt"])

    @contextmanager
    def another_was_faster(path, *, doing):
        (tmp_path / "lists").mkdir()
        (tmp_path / "lists/b.txt").write_text("b")
        yield

    monkeypatch.setattr(archives, "only_one", another_was_faster)
    assert names(unpack(archive, "lists")) == ["b.txt"]


def test_a_lock_that_a_killed_process_left_is_nobodys(server, tmp_path):
    (tmp_path / "set.bin.lock").write_text("")
    fetch(at(server, "/good.bin", md5=MD5), tmp_path)
    assert names(tmp_path) == ["set.bin"]


def test_a_record_that_is_no_hash_is_named(server, tmp_path):
    for record in ("", "half", "0" * 63):
        (tmp_path / "set.bin.sha256").write_text(record)
        with pytest.raises(DownloadError, match=r"set.bin.sha256 must begin with a sha256, got"):
            fetch(at(server, "/good.bin"), tmp_path)
    assert server.seen == []


def test_a_recorded_hash_proves_the_parts_of_a_later_download_too(server, tmp_path):
    fetch(at(server, "/good.bin"), tmp_path)
    (tmp_path / "set.bin").unlink()
    server.starts.clear()
    assert fetch(at(server, "/unmarked"), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 100_000, 200_000]


def test_without_a_published_hash_the_first_one_is_remembered(server, tmp_path):
    fetch(at(server, "/good.bin"), tmp_path)
    assert names(tmp_path) == ["set.bin", "set.bin.sha256"]
    fetch(at(server, "/good.bin"), tmp_path)
    (tmp_path / "set.bin").write_bytes(b"damaged")
    with pytest.raises(DownloadError, match="must have the sha256"):
        fetch(at(server, "/good.bin"), tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/gone", "answers 404"),
        ("/page", "gave a web page, not 'set.bin'"),
        ("/commented", "gave a web page, not 'set.bin'"),
        ("/typed", "gave a web page, not 'set.bin'"),
        ("/empty", "gave an empty file"),
    ],
)
@pytest.mark.parametrize("md5", [MD5, None])
def test_what_is_no_file_is_named(server, tmp_path, path, message, md5):
    with pytest.raises(DownloadError, match=message):
        fetch(at(server, path, md5=md5), tmp_path)
    assert not (tmp_path / "set.bin").exists()
    assert not (tmp_path / "set.bin.sha256").exists()
    assert all(file.stat().st_size for file in tmp_path.iterdir())


def test_a_zip_cut_off_by_a_server_that_states_no_length_is_not_recorded_as_right(server, tmp_path):
    cut = Download(file="lists.zip", url=server.address + "/cut.zip", unpacks="lists")
    with pytest.raises(DownloadError, match="is no whole zip archive; the download is kept aside"):
        fetch(cut, tmp_path)
    assert names(tmp_path) == ["lists.zip.wrong"]


def test_a_file_that_the_server_packed_is_refused_with_the_cure(server, tmp_path):
    """Its bytes were recorded as the right ones; of a .gz it may be said and mean the file."""
    with pytest.raises(
        DownloadError, match="gives 'set.bin' packed by gzip.* curl --compressed -o"
    ):
        fetch(at(server, "/packed"), tmp_path)
    assert names(tmp_path) == []
    whole = Download(file="set.tar.gz", url=server.address + "/packed", md5=MD5)
    assert fetch(whole, tmp_path).read_bytes() == CONTENT


def test_only_web_addresses_are_opened(tmp_path):
    with pytest.raises(DownloadError, match="http or https"):
        fetch(Download(file="x", url="file:///etc/hostname"), tmp_path)


def test_a_file_behind_a_login_says_how_to_get_it(tmp_path):
    with pytest.raises(DownloadError, match="log in at the publisher"):
        fetch(Download(file="x", note="log in at the publisher"), tmp_path)


def test_the_disk_is_asked_first(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "HEADROOM", 1 << 60)
    with pytest.raises(DownloadError, match="300,000 bytes are still to come"):
        fetch(at(server, "/good.bin", md5=MD5), tmp_path)
    plan = [stage.Wanted(("a",), at(server, "/good.bin", bytes=300_000))]
    with pytest.raises(DownloadError, match="300,000 bytes .* or name fewer data sets"):
        stage.run(plan, tmp_path)
    assert len(server.seen) == 1


def test_a_disk_that_is_too_full_says_what_has_to_stay_free(tmp_path):
    """The numbers used to contradict the message: fewer bytes to come than were free."""
    check = transfer.check_space
    check(tmp_path, 5, transfer.HEADROOM + 5)
    with pytest.raises(DownloadError, match=r"6 bytes .* and 67,108,864 .*has 67,108,869 free"):
        check(tmp_path, 6, transfer.HEADROOM + 5)


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/good.bin", 300_000),
        ("/moved", 300_000),
        ("/gone", None),
        ("/page", None),
        ("/unsized", None),
    ],
)
def test_a_size_that_nobody_published_is_asked_of_the_server(server, tmp_path, path, size):
    [item] = stage.with_sizes([stage.Wanted(("a",), at(server, path))], tmp_path)
    assert item.download.bytes == size
    expected = "size unknown" if size is None else "(0 MB"
    assert expected in stage.plan_lines([item], tmp_path)[1]


def test_no_server_is_asked_for_a_size_that_is_known_or_not_needed(server, tmp_path):
    nowhere = Download(file="set.bin", url="http://127.0.0.1:9/set.bin")
    assert with_size(nowhere).bytes is None  # no answer: the size stays unknown
    assert with_size(at(server, "/good.bin", bytes=7)).bytes == 7
    (tmp_path / "set.bin").write_bytes(b"")
    [item] = stage.with_sizes([stage.Wanted(("a",), at(server, "/good.bin"))], tmp_path)
    assert item.download.bytes is None
    assert server.seen == []


def test_missing_bytes_count_what_is_there(tmp_path):
    download = Download(file="x", bytes=100)
    assert missing_bytes(download, tmp_path) == 100
    (tmp_path / "x.partial").write_bytes(b"1234567890")
    assert missing_bytes(download, tmp_path) == 90
    (tmp_path / "x").write_bytes(b"")
    assert missing_bytes(download, tmp_path) == 0


def test_the_stage_fetches_each_file_once_and_goes_on_after_a_failure(server, tmp_path, capsys):
    known = {
        "a.bin": Download(file="a.bin", url=server.address + "/gone"),
        "b.bin": Download(file="b.bin", url=server.address + "/good.bin", md5=MD5, bytes=300_000),
    }
    sets = {"one": {"path": "b.bin"}, "two": "b.bin", "lost": {"root": "a.bin"}, "own": "/photos"}
    wanted = stage.wanted_files(sets, known, [])
    assert [(item.datasets, item.download.file) for item in wanted] == [
        (("one", "two"), "b.bin"),
        (("lost",), "a.bin"),
    ]
    lines = stage.plan_lines(wanted, tmp_path)
    assert lines[1] == "missing  b.bin (0 MB, md5) for one, two"
    assert "1 files of unknown size" in lines[-1]
    problems = stage.run(wanted, tmp_path)
    assert len(problems) == 1
    assert problems[0].startswith("lost: ")
    assert (tmp_path / "b.bin").read_bytes() == CONTENT
    assert stage.plan_lines(wanted, tmp_path)[1].startswith("there")
    with pytest.raises(KeyError, match="unknown dataset 'three'"):
        stage.wanted_files(sets, known, ["three"])


def test_the_list_of_downloads_can_be_read_and_every_entry_says_its_terms():
    known = stage.read_downloads(Path(__file__).parents[1] / "conf" / "downloads.yaml")
    for file, download in known.items():
        assert download.licence, file
        assert download.citation, file
        assert download.url or download.note, file
        assert download.md5 is None or len(download.md5) == 32, file
        assert download.sha256 is None or len(download.sha256) == 64, file
        if file.endswith(".tar") and not download.rounded:
            assert (download.bytes or 0) % 512 == 0, f"{file}: a tar archive is made of blocks"
    public = {file: download for file, download in known.items() if download.url}
    unchecked = {file for file, d in public.items() if d.md5 is None and d.sha256 is None}
    assert unchecked == {"benchmark_imglist.zip"}  # published without a checksum
    unsized = {file for file, download in public.items() if download.bytes is None}
    assert unsized == {"SUN.tar.gz", "NINCO_all.tar.gz"}  # published without a size


def archive_of(path: Path, members: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "a.jpg 1")
    return path


def test_lists_are_unpacked_once(tmp_path):
    archive = archive_of(tmp_path / "lists.zip", ["lists/cifar10/test.txt", "__MACOSX/x"])
    folder = unpack(archive, "lists")
    assert (folder / "cifar10/test.txt").read_text() == "a.jpg 1"
    archive.write_bytes(b"no archive any more")
    assert unpack(archive, "lists") == folder
    assert names(tmp_path) == ["lists", "lists.zip"]


def test_damaged_archives_are_told_without_a_hash(tmp_path):
    """A zip with a byte changed, a tar cut off; the latter is found in a found file too."""
    data = bytearray(packed(["lists/a.txt"]))
    data[data.index(b"a.jpg 1")] ^= 1
    (tmp_path / "lists.zip").write_bytes(data)
    with tarfile.open(tmp_path / "whole.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "lists.zip")
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "whole.tar.gz").read_bytes()[:-40])

    assert fetch(Download(file="whole.tar.gz"), tmp_path) == tmp_path / "whole.tar.gz"
    for file, message in {
        "lists.zip": "its first bad file: 'lists/a.txt'; it was there before",
        "cut.tar.gz": r"is no whole archive \(EOFError",
    }.items():
        with pytest.raises(DownloadError, match=message):
            fetch(Download(file=file), tmp_path)
    with pytest.raises(DownloadError, match="is no whole zip archive .* fetch it again"):
        unpack(tmp_path / "lists.zip", "lists")


def test_an_encrypted_archive_is_named_and_the_other_files_are_fetched(server, tmp_path):
    data = bytearray(packed(["lists/a.txt"]))
    data[6] |= 1  # of the member's own header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and of the directory
    (tmp_path / "lists.zip").write_bytes(data)
    lists = Download(file="lists.zip", url="http://127.0.0.1:9/lists.zip", unpacks="lists")

    plan = [stage.Wanted(("a",), lists), stage.Wanted(("b",), at(server, "/good.bin", md5=MD5))]
    [problem] = stage.run(plan, tmp_path)
    assert "is no whole archive (RuntimeError: File 'lists/a.txt' is encrypted" in problem
    assert (tmp_path / "set.bin").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=r"no whole zip archive \(RuntimeError: .*encrypted"):
        unpack(tmp_path / "lists.zip", "lists")


def test_the_checksum_at_the_end_of_gzip_is_told_as_damage_not_as_a_refusal(tmp_path):
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as archive:
        archive.add(__file__, "a.py")
    data = bytearray((tmp_path / "set.tar.gz").read_bytes())
    data[-6] ^= 1
    (tmp_path / "set.tar.gz").write_bytes(data)
    with pytest.raises(DownloadError, match=r"is no whole archive \(BadGzipFile: CRC check"):
        fetch(Download(file="set.tar.gz"), tmp_path)


@pytest.mark.parametrize("stray", [".DS_Store", "__MACOSX/lists/._a.txt", "README.md", "Thumbs.db"])
def test_what_systems_and_publishers_lay_beside_the_folder_is_left_out(tmp_path, stray):
    archive = archive_of(tmp_path / "lists.zip", ["lists/a.txt", stray])
    assert names(unpack(archive, "lists")) == ["a.txt"]
    assert names(tmp_path) == ["lists", "lists.zip"]


def test_an_archive_of_another_folder_is_refused(tmp_path):
    archive = archive_of(tmp_path / "lists.zip", ["__MACOSX/x"])
    with pytest.raises(DownloadError, match="must hold the folder 'lists'"):
        unpack(archive, "lists")


def test_a_folder_that_is_there_is_used_as_it_is(tmp_path, capsys):
    """ImageNet by hand; an unpacked archive whose zip is gone. An empty folder is nothing."""
    by_hand = Download(file="imagenet1k/train", note="log in")
    lists = Download(file="lists.zip", url="http://127.0.0.1:9/lists.zip", unpacks="lists")
    wanted = [stage.Wanted(("a",), by_hand), stage.Wanted(("b",), lists)]
    for folder in ("imagenet1k/train", "lists"):
        (tmp_path / folder).mkdir(parents=True)
    assert [item.state(tmp_path) for item in wanted] == ["by hand", "missing"]
    for folder in ("imagenet1k/train", "lists"):
        (tmp_path / folder / "a").write_text("a")

    assert [item.state(tmp_path) for item in wanted] == ["there", "there"]
    assert [missing_bytes(item.download, tmp_path) for item in wanted] == [0, 0]
    assert stage.run(wanted, tmp_path) == []
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'imagenet1k/train'}: there, used as it is" in printed
    assert f"{tmp_path / 'lists'}: there, used as it is" in printed


def test_an_archive_that_lies_unpacked_is_downloaded_by_name_only(server, tmp_path, capsys):
    """Gigabytes used to come again that were there."""
    known = {"dtd-r1.tar": Download("dtd-r1.tar", url=server.address + "/whole", md5=MD5)}
    sets = {"dtd": {"source": "tar", "path": "dtd-r1.tar", "subfolder": "dtd/images"}}
    (tmp_path / "dtd/images/banded").mkdir(parents=True)
    wanted = stage.wanted_files(sets, known, [])

    assert stage.run(wanted, tmp_path) == []
    assert not server.seen
    assert capsys.readouterr().out == (
        f"dtd-r1.tar: not downloaded, it lies unpacked at {tmp_path}/dtd: datasets.dtd.path="
        f"{tmp_path}/dtd uses it; name the data set (dtd) to download it all the same\n"
    )
    used = {"dtd": {**sets["dtd"], "path": f"{tmp_path}/dtd"}}
    assert open_source(read_spec("dtd", used["dtd"])).entries() == []
    assert stage.run(stage.wanted_files(sets, known, ["dtd"]), tmp_path) == []
    assert (tmp_path / "dtd-r1.tar").read_bytes() == CONTENT


def test_a_folder_that_is_visibly_not_whole_is_refused(tmp_path, capsys):
    """A flat folder where class folders are stated; lists without the one that is read."""
    by_hand = Download(file="imagenet1k/val", note="log in", classes=2)
    lists = Download(file="lists.zip", url="http://127.0.0.1:9/lists.zip", unpacks="lists")
    known = {by_hand.file: by_hand, lists.file: lists}
    sets = {
        "val": {"source": "folder", "path": "imagenet1k/val"},
        "some": {"source": "list", "path": "lists/a/test.txt", "root": "/photos"},
        "more": {"source": "list", "path": "lists/a/more.txt", "root": "/photos"},
    }
    for file in ("imagenet1k/val/1.JPEG", "lists/a/test.txt"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("a")
    wanted = stage.wanted_files(sets, known, [])

    assert [item.state(tmp_path) for item in wanted] == ["doubtful", "doubtful"]
    assert "imagenet1k/val' holds 0 class folders, 2 are" in stage.plan_lines(wanted, tmp_path)[2]
    problems = stage.run(wanted, tmp_path)
    assert problems[0].endswith("2 are stated; it is left as it is: complete it, or log in")
    assert re.search(r"lacks 1 of 2: a/more.txt; .*, or move it away and fetch it", problems[1])
    (tmp_path / "lists/a/more.txt").write_text("a")
    assert [item.state(tmp_path) for item in wanted] == ["doubtful", "there"]
    told = stage.wanted_files({"val": {**sets["val"], "labels": "truth.txt"}}, known, [])
    assert told[0].state(tmp_path) == "there"


def test_an_archive_without_the_list_that_is_read_is_told_once_it_is_unpacked(tmp_path, capsys):
    archive_of(tmp_path / "lists.zip", ["lists/a.txt"])
    lists = Download(file="lists.zip", url="http://127.0.0.1:9/lists.zip", unpacks="lists")
    sets = {"some": {"source": "list", "path": "lists/b.txt", "root": "/photos"}}
    [problem] = stage.run(stage.wanted_files(sets, {lists.file: lists}, []), tmp_path)
    assert "lists' lacks 1 of 1: b.txt" in problem


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    (tmp_path / "set.bin").mkdir()
    with pytest.raises(DownloadError, match=r"set.bin must be a file, it is a folder"):
        fetch(Download(file="set.bin", url="http://127.0.0.1:9/set.bin"), tmp_path)


@pytest.mark.parametrize("link", ["sets/set.bin", "sets", "."])
def test_a_link_to_a_disk_that_is_not_mounted_is_not_replaced(server, tmp_path, link):
    """The file, its folder, or the data root itself."""
    root = tmp_path / "root"
    (root / link).parent.mkdir(parents=True, exist_ok=True)
    (root / link).symlink_to(tmp_path / "share")
    download = Download(file="sets/set.bin", url=server.address + "/good.bin", md5=MD5)

    with pytest.raises(DownloadError, match=r"is a link to .*share, which is not there; mount the"):
        fetch(download, root)
    assert (root / link).is_symlink()
    assert not (tmp_path / "share").exists()
    assert server.seen == []


def test_a_disk_that_refuses_says_where_files_may_go_instead(server, tmp_path, monkeypatch):
    """As a read-only mount does: the tests may run as root, so the refusal is played."""

    def refuse(self, *args, **kwargs):
        raise OSError(30, "Read-only file system", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(DownloadError, match=r"\(Read-only file system\); set data_root to a"):
            fetch(at(server, "/good.bin", md5=MD5), tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_bytes", refuse)
        with pytest.raises(DownloadError, match=r"Read-only .* datasets.<name>.path may point"):
            fetch(at(server, "/good.bin"), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "is_file", refuse)
        with pytest.raises(DownloadError, match="must be readable"):
            find(at(server, "/good.bin"), tmp_path)
    archive = archive_of(tmp_path / "lists.zip", ["lists/a.txt"])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(DownloadError, match="lists cannot be written"):
            unpack(archive, "lists")


def test_a_read_only_data_root_is_complemented_by_one_of_links(server, tmp_path, monkeypatch):
    """The plan says how; the test may run as root, so the refusal is played. The way works.

    A link to the folder sets would be read-only too: a download could not come to lie in it.
    """
    shared, mine = tmp_path / "shared", tmp_path / "mine"
    (shared / "sets").mkdir(parents=True)
    mine.mkdir()
    (shared / "sets/there.bin").write_bytes(CONTENT)
    there = Download(file="sets/there.bin", url="http://127.0.0.1:9/there.bin", md5=MD5)
    to_come = Download(file="sets/set.bin", url=server.address + "/good.bin", md5=MD5)
    plan = [stage.Wanted(("a",), there), stage.Wanted(("b",), to_come)]

    assert "read-only" not in str(stage.plan_lines(plan, shared))
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
        command = stage.plan_lines(plan, shared)[-1].partition("lies here: ")[2]
        assert "read-only" not in str(stage.plan_lines(plan[:1], shared))
    assert command == f"cp -rs {shared}/. <that folder>"
    subprocess.run(command.replace("<that folder>", str(mine)), shell=True, check=True)
    assert stage.run(plan, mine) == []
    assert (mine / "sets/there.bin").resolve() == shared / "sets/there.bin"
    assert names(mine / "sets") == ["set.bin", "there.bin"]
    assert names(shared / "sets") == ["there.bin"]


@pytest.mark.parametrize("which", ["file", "data root"])
def test_what_may_not_be_read_is_told_so_and_the_rest_is_fetched(
    server, tmp_path, monkeypatch, capsys, which
):
    """It used to count as there, or to end the plan; played, since the tests may run as root."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed/a.bin").write_bytes(CONTENT)
    closed = Download(file="closed/a.bin", url="http://127.0.0.1:9/a.bin", md5=MD5)
    plan = [stage.Wanted(("a",), closed), stage.Wanted(("b",), at(server, "/good.bin", md5=MD5))]
    access, is_file = os.access, Path.is_file

    def denied(self):
        if "closed" in str(self):
            raise PermissionError(13, "Permission denied", str(self))
        return is_file(self)

    if which == "file":
        monkeypatch.setattr(
            os, "access", lambda place, mode: "closed" not in str(place) and access(place, mode)
        )
    else:
        monkeypatch.setattr(Path, "is_file", denied)

    lines = stage.plan_lines(stage.with_sizes(plan, tmp_path), tmp_path)
    assert lines[1].startswith("denied   closed/a.bin")
    assert re.search(
        r"(Permission|permission) denied\)[:;] ask its owner for read access", lines[2]
    )
    assert plan[0].bytes_to_come(tmp_path) == 0
    if which == "data root":
        [problem] = stage.run(plan, tmp_path)
        assert problem.startswith(
            f"a: {tmp_path}/closed/a.bin must be readable (Permission denied)"
        )
        assert (tmp_path / "set.bin").read_bytes() == CONTENT


def test_a_data_root_that_is_a_file_is_named(tmp_path):
    (tmp_path / "root").write_text("")
    wanted = [stage.Wanted(("a",), Download(file="x", url="http://127.0.0.1:9/x"))]
    for action in (stage.plan_lines, stage.run):
        with pytest.raises(DownloadError, match="data_root must be a folder, .*root is a file"):
            action(wanted, tmp_path / "root")


def test_the_data_root_may_be_below_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert stage.root_of("~/sets") == tmp_path / "sets"
    assert stage.root_of(None) == Path()


@pytest.mark.parametrize("member", ["../evil", "lists/../../evil", "/etc/evil", "other/file"])
def test_an_archive_that_unpacks_elsewhere_is_refused(tmp_path, member):
    archive = archive_of(tmp_path / "lists.zip", ["lists/a.txt", member])
    with pytest.raises(DownloadError, match="not trusted"):
        unpack(archive, "lists")
    assert names(tmp_path) == ["lists.zip"]


def test_a_list_inside_an_unpacked_archive_is_fetched_with_it():
    known = {"lists.zip": Download(file="lists.zip", unpacks="lists")}
    sets = {"o": {"source": "list", "path": "lists/imagenet/test.txt", "root": "o.zip"}}
    assert stage.wanted_files(sets, known, [])[0].download.file == "lists.zip"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_that_climbs_out_of_its_folder_is_refused(tmp_path, kind):
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("../outside.jpg", b"x")
    else:
        with tarfile.open(path, "w") as archive:
            member = tarfile.TarInfo("../outside.jpg")
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(SourceError, match="climbs out"):
        open_source(read_spec("evil", {"path": str(path)})).entries()


def test_another_benchmark_can_be_named_without_writing_params(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    datasets, root = stage.where_from(["benchmark=cifar100", "data_root=/datasets"])

    assert {"cifar100_train", "svhn"} <= set(datasets)
    assert root == Path("/datasets")
    assert "capitals_train" in stage.where_from([])[0]
    with pytest.raises(ValueError, match="conf/ does not compose with benchmark=cifar"):
        stage.where_from(["benchmark=cifar"])


def test_options_may_stand_between_names(tmp_path, monkeypatch, capsys):
    words = ["benchmark=cifar100", "--dry-run", "svhn", f"data_root={tmp_path}"]
    monkeypatch.setattr("sys.argv", ["fetch", *words])
    monkeypatch.setattr(stage, "with_sizes", lambda wanted, root: wanted)

    stage.main()

    told = capsys.readouterr().out
    assert "svhn/test_32x32.mat" in told
    assert "cifar-100-python.tar.gz" not in told
