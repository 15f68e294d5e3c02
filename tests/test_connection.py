"""Connections that break off, stall, crawl or answer nonsense: what arrived is kept."""

import contextlib
import hashlib
import http.client
import http.server
import socket
import struct
import threading
import time

import numpy as np
import pytest

from pipeline import connection, transfer
from pipeline.download_errors import DownloadError
from pipeline.downloads import Download, fetch

CONTENT = np.random.default_rng(1).bytes(300_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT by ranges, and every address ends a connection in its own way."""

    def do_GET(self):
        """Answer by the path."""
        server, begin = self.server, 0
        if wanted := self.headers.get("Range"):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        server.starts.append(begin)
        if self.path == "/circle":
            self.send_response(302)
            self.send_header("Location", "/circle")
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
        stop = begin + 90_000 if self.path in ("/stall", "/reset") else len(CONTENT)
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
    running.starts, running.over = [], threading.Event()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    running.address = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.over.set()
    running.shutdown()
    running.server_close()
    thread.join()


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

    class Answer(http.client.HTTPResponse):
        left, fp = 3, None

        def __init__(self):
            pass

        def read1(self, n=-1):
            self.left -= 1
            return b"x" if self.left >= 0 else b""

    for block in connection.blocks(Answer(), None):
        assert block == b"x"
        time.sleep(0.06)


def test_a_length_that_is_no_number_is_none(server, tmp_path):
    assert fetch(at(server, "/nonsense", md5=MD5), tmp_path).read_bytes() == CONTENT


def test_a_circle_of_redirects_is_told_in_one_line(server, tmp_path):
    with pytest.raises(DownloadError, match="redirects in a circle") as raised:
        fetch(at(server, "/circle", md5=MD5), tmp_path)
    assert "\n" not in str(raised.value)


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
