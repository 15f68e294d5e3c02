"""Connections that break off, stall, crawl or answer nonsense: what arrived is kept."""

import contextlib
import hashlib
import http.client
import http.server
import socket
import struct
import threading
import time
from email.utils import formatdate

import numpy as np
import pytest

from pipeline.fetching import connection, transfer
from pipeline.fetching.downloads import fetch
from pipeline.fetching.entry import Download
from pipeline.fetching.errors import DownloadError

CONTENT = np.random.default_rng(1).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


REDIRECTS = {
    "/circle": "/circle",
    "/ftp": "ftp://127.0.0.1:9/set.bin",
    "/file": "file:///etc/hostname",
    "/there": "/good.bin",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT by ranges, and every address ends a connection in its own way."""

    def do_GET(self):
        """Answer by the path."""
        server, begin = self.server, 0
        if wanted := self.headers.get("Range"):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        server.starts.append(begin)
        if self.path in server.refusals and (answers := server.refusals[self.path]):
            code, wait = answers.pop(0)
            self.send_response(code)
            if wait is not None:
                self.send_header("Retry-After", wait)
            self.end_headers()
            return
        if self.path in REDIRECTS:
            self.send_response(302)
            self.send_header("Location", REDIRECTS[self.path])
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        length = "abc" if self.path == "/nonsense" else str(len(CONTENT) - begin)
        self.send_header("Content-Length", length)
        self.send_header("ETag", '"one"')
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        if self.path == "/drip":
            for place in range(begin, begin + 1000, 10):
                self.wfile.write(CONTENT[place : place + 10])
                if server.over.wait(0.02):
                    return
        stop = begin + 90_000 if self.path in ("/stall", "/reset", "/busy") else len(CONTENT)
        self.wfile.write(CONTENT[begin:stop])
        if self.path == "/stall" and stop < len(CONTENT):
            server.over.wait(5)
        if self.path == "/reset" and stop < len(CONTENT):
            server.over.wait(0.1)
            at_once = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
            self.connection.close()

    def handle(self):
        """Leave out the traceback of a connection that either side gave up."""
        with contextlib.suppress(ConnectionError, ValueError):
            super().handle()

    def finish(self):
        """The same for its end."""
        with contextlib.suppress(ConnectionError, ValueError):
            super().finish()

    def log_message(self, *args):
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.starts, running.over, running.refusals = [], threading.Event(), {}
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    running.address = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.over.set()
    running.shutdown()
    running.server_close()
    thread.join()


class Answer(http.client.HTTPResponse):
    """Three blocks of one byte, without a server."""

    left, fp = 3, None

    def __init__(self, headers=None, *, seconds=0.0):
        """Wait `seconds` for each."""
        self.headers, self.seconds = headers or {}, seconds

    def read1(self, n=-1):
        """Wait, then give one byte."""
        time.sleep(self.seconds)
        self.left -= 1
        return b"x" if self.left >= 0 else b""


def at(server, path, **fields):
    return Download(file="set.bin", url=server.address + path, **fields)


@pytest.mark.parametrize("path", ["/stall", "/reset"])
def test_what_came_before_a_connection_stalled_or_was_reset_is_kept(
    server, tmp_path, monkeypatch, path
):
    """90,000 bytes a connection: the fourth has the rest, and none begins at the start again."""
    monkeypatch.setattr(connection, "TIMEOUT", 0.3)

    assert fetch(at(server, path, md5=MD5), tmp_path).read_bytes() == CONTENT
    assert server.starts == [0, 90_000, 180_000, 270_000]


def test_a_connection_that_crawls_is_given_up_and_its_bytes_are_kept(server, tmp_path, monkeypatch):
    """500 bytes a second where 1,000 are asked for, though every attempt gets further."""
    monkeypatch.setattr(connection, "WINDOW", 0.2)
    monkeypatch.setattr(transfer, "WINDOW", 0.2)
    monkeypatch.setattr(transfer, "ATTEMPTS", 2)

    with pytest.raises(DownloadError, match=r"bytes \(only .* bytes in .* s\); they are kept in"):
        fetch(at(server, "/drip", md5=MD5), tmp_path)
    kept = (tmp_path / "set.bin.partial").read_bytes()
    assert len(server.starts) == 2
    assert 0 < server.starts[1] < len(kept) < 1000
    assert kept == CONTENT[: len(kept)]


def test_the_rate_is_that_of_the_server_not_of_a_slow_disk(monkeypatch):
    """Whoever takes the bytes may take their time."""
    monkeypatch.setattr(connection, "WINDOW", 0.05)

    for block in connection.blocks(Answer(), None):
        assert block == b"x"
        time.sleep(0.06)


def test_a_crawling_connection_that_brought_everything_is_not_broken(monkeypatch):
    """Its last bytes complete the file: to ask again would be for nothing."""
    monkeypatch.setattr(connection, "WINDOW", 0.05)

    assert list(connection.blocks(Answer(seconds=0.06), 1)) == [b"x"]
    with pytest.raises(connection.BrokenOff, match="only 1 bytes"):
        list(connection.blocks(Answer(seconds=0.06), 2))


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("bytes 5-9/10", (5, 10, 10)),
        ("bytes 5-9/*", (5, 10, None)),
        ("bytes 5-10/10", None),  # beyond its own end
        ("bytes 9-5/10", None),
        ("bytes */10", None),
        ("", None),
    ],
)
def test_a_part_that_cannot_be_is_none(said, part):
    """The last byte is counted from 0 and belongs to it."""
    assert connection.stated_part(Answer({"Content-Range": said})) == part


def test_a_length_that_is_no_number_is_none(server, tmp_path):
    assert fetch(at(server, "/nonsense", md5=MD5), tmp_path).read_bytes() == CONTENT


def test_a_circle_of_redirects_is_told_in_one_line(server, tmp_path):
    with pytest.raises(DownloadError, match="redirects in a circle") as raised:
        fetch(at(server, "/circle", md5=MD5), tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("address", ["/ftp", "/file"])
def test_a_redirect_out_of_the_web_is_not_followed(server, tmp_path, address):
    """The library would go on to ftp://, which no address of the list may be either."""
    with pytest.raises(DownloadError, match=r"or to no place of the web \(302\)"):
        fetch(at(server, address, md5=MD5), tmp_path)
    assert len(server.starts) == 1
    assert connection.size_of(server.address + address) is None
    assert fetch(at(server, "/there", md5=MD5), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["http://a b/c", "http://[::1/c", "http://127.0.0.1:port/c"])
def test_an_address_that_is_none_is_named(tmp_path, address):
    with pytest.raises(DownloadError, match=r"must be .* mend conf/downloads.yaml"):
        fetch(Download(file="set.bin", url=address, md5=MD5), tmp_path)


def test_a_server_that_cannot_be_reached_is_named_with_two_cures(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer, "ATTEMPTS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match="brings nothing .* the network .* by hand"):
            fetch(Download(file="set.bin", url=address), tmp_path)


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that are waited between attempts, none of them really."""
    waited = []
    monkeypatch.setattr(transfer.time, "sleep", waited.append)
    return waited


def test_a_busy_server_is_asked_again_after_the_time_that_it_names(server, tmp_path, pauses):
    """Twice refused; each wait doubles, and is longer where the server asks for more."""
    server.refusals["/a"] = [(503, None), (429, "7"), (500, "1")]

    assert fetch(at(server, "/a", md5=MD5), tmp_path).read_bytes() == CONTENT
    assert pauses == [2.0, 7.0, 8.0]


def test_a_date_may_say_when_a_busy_server_has_time(server, tmp_path, pauses):
    past, soon = (formatdate(time.time() + seconds, usegmt=True) for seconds in (-60, 60))
    server.refusals["/a"] = [(503, past), (503, soon), (503, "soon"), (503, "")]

    fetch(at(server, "/a", md5=MD5), tmp_path)
    assert [round(pauses[0]), round(pauses[2]), round(pauses[3])] == [2, 8, 16]
    assert 57 < pauses[1] <= 60


def test_a_server_that_stays_busy_is_left_for_later_and_the_bytes_are_kept(
    server, tmp_path, pauses
):
    """It has not moved: the cure is no other place."""
    server.refusals["/a"] = [(503, None)] * 10
    with pytest.raises(DownloadError, match=r"answers 503 .* nothing came: run .* again later"):
        fetch(at(server, "/a", md5=MD5), tmp_path)
    assert len(server.starts) == transfer.ATTEMPTS

    (tmp_path / "set.bin.partial").write_bytes(CONTENT[:1000])
    (tmp_path / "set.bin.partial.json").write_text('{"same": "\\"one\\""}')
    with pytest.raises(DownloadError, match=r"1,000 bytes .* in set.bin.partial") as raised:
        fetch(at(server, "/a", md5=MD5), tmp_path)
    assert "new place" not in str(raised.value)


def test_a_busy_server_that_gives_some_bytes_in_between_is_no_lost_cause(server, tmp_path, pauses):
    """Four refusals before each 90,000 bytes: sixteen in all, but never five in a row."""
    server.refusals["/busy"] = [(503, None)] * 4

    def after_each(*_):
        server.refusals["/busy"] = [(503, None)] * 4

    fetch(at(server, "/busy", md5=MD5), tmp_path, report=after_each)
    assert len(server.starts) == 20


def test_a_server_that_asks_for_an_hour_is_not_waited_for(server, tmp_path, pauses):
    server.refusals["/a"] = [(429, "3600")]
    with pytest.raises(DownloadError, match=r"answers 429 .* run .* again after 3,600 s"):
        fetch(at(server, "/a", md5=MD5), tmp_path)
    assert pauses == []
