"""The download against a scripted server on this machine."""

import errno
import gzip
import hashlib
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from tqdm import tqdm

from galvae.data.store import download as module
from galvae.data.store.download import download
from galvae.errors import CannotBeDone, GalvaeError

DATA = bytes(range(256)) * 400  # 102 400 bytes
SHA256 = hashlib.sha256(DATA).hexdigest()
OLD = b"an older version"


class Handler(BaseHTTPRequestHandler):
    """Answers the n-th request with the n-th reply of the script, the last one from then on."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        with server.counting:
            reply = server.script[min(len(server.seen), len(server.script) - 1)]
            server.seen.append(dict(self.headers))
        self.close_connection = True
        reply(self)

    def log_message(self, *_):
        pass


def send(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in ({"Content_Length": len(body), "Connection": "close"} | headers).items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def say(status=200, body=b"", **headers):
    return lambda handler: send(handler, status, body, **headers)


def honest(data=DATA, upto=None, etag='"v1"', **headers):
    """A sound server of the data that hangs up after the first ``upto`` bytes of the file."""

    def reply(handler):
        asked, start = handler.headers.get("Range"), 0
        if asked and handler.headers.get("If-Range") in (etag, headers.get("Last_Modified")):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        body = data[start:upto]
        extra = {"Content_Length": len(data) - start, "ETag": etag} | headers
        if start:
            extra["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        send(handler, 206 if start else 200, body, **extra)

    return reply


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def server():
    """A server on a free loopback port; a test sets ``script`` and reads the headers ``seen``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.script, server.seen, server.counting = [honest()], [], threading.Lock()
        server.url = f"http://127.0.0.1:{server.server_port}/cat.h5"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "data" / "cat.h5"


def ranges(server):
    return [headers.get("Range") for headers in server.seen]


def leave_part(target, url, data=DATA[:1000], validator='"v1"', total=102_400):
    target.parent.mkdir(exist_ok=True)
    target.with_name("cat.h5.part").write_bytes(data)
    memory = {"url": url, "validator": validator, "total": total}
    target.with_name("cat.h5.part.json").write_text(json.dumps(memory))


def part_of(target):
    return target.with_name("cat.h5.part")


def fails(url, target, error=CannotBeDone, **checks):
    """The one-line message of a download that must fail and leave an older target as it is."""
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(OLD)
    checks = checks or {"sha256": SHA256}
    with pytest.raises(GalvaeError) as caught:
        download(url, target, **checks)
    assert type(caught.value) is error
    assert target.read_bytes() == OLD
    assert not [entry for entry in target.parent.iterdir() if entry.is_dir()]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_whole_file_leaves_only_target_and_lock(server, target, capsys):
    assert download(server.url, target, sha256=SHA256.upper(), size=len(DATA)) == target
    assert target.read_bytes() == DATA
    assert {entry.name for entry in target.parent.iterdir()} <= {"cat.h5", "cat.h5.lock"}
    assert server.seen[0]["Accept-Encoding"] == "identity"
    captured = capsys.readouterr()
    assert captured.out == captured.err == "", "no progress bar where standard error is no terminal"


def test_good_target_needs_no_request(server, target):
    target.parent.mkdir()
    target.write_bytes(DATA)
    for checks in ({"sha256": SHA256}, {"size": len(DATA)}, {}):
        assert download(server.url, target, **checks) == target
    assert server.seen == []
    assert [entry.name for entry in target.parent.iterdir()] == ["cat.h5"]


@pytest.mark.parametrize("checks", [{"sha256": SHA256}, {"size": len(DATA)}])
def test_target_that_does_not_match_is_replaced(server, target, checks):
    target.parent.mkdir()
    target.write_bytes(OLD)
    download(server.url, target, **checks)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("cut", [0, 1024, 51_200, 102_298])  # 0 %, 1 %, 50 %, 99.9 %
def test_retry_resumes_after_a_cut(server, target, cut, caplog):
    caplog.set_level("INFO")
    server.script = [honest(upto=cut), honest()]
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, f"bytes={cut}-" if cut else None]
    assert server.seen[1].get("If-Range") == ('"v1"' if cut else None)
    assert (f"resuming cat.h5 at byte {cut} of 102400" in caplog.text) == (cut > 0)


@pytest.mark.parametrize("cut", [0, 1024, 51_200, 102_298])
def test_next_call_resumes_after_a_cut(server, target, cut, monkeypatch):
    monkeypatch.setattr(module, "PAUSES", ())
    server.script = [honest(upto=cut), honest()]
    message = fails(server.url, target)
    assert f"{102_400 - cut} more expected" in message and "dataset.path=" in message
    assert part_of(target).read_bytes() == DATA[:cut]
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, f"bytes={cut}-" if cut else None]


def test_several_cuts(server, target):
    server.script = [honest(upto=10), honest(upto=70_000), honest(upto=70_001), honest()]
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None, "bytes=10-", "bytes=70000-", "bytes=70001-"]


def test_gives_up_after_the_last_pause_and_keeps_the_part(server, target):
    server.script = [honest(upto=10), say(503)]
    message = fails(server.url, target)
    assert "expected status 200, received 503" in message and "127.0.0.1" in message
    assert len(server.seen) == 4
    assert part_of(target).read_bytes() == DATA[:10]


def test_a_mirror_is_tried_when_the_first_address_fails(server, target, caplog):
    server.script = [say(404), honest()]
    assert download(server.url, target, sha256=SHA256, mirrors=[f"{server.url}?mirror"]) == target
    assert target.read_bytes() == DATA
    assert "expected status 200, received 404" in caplog.text and f"trying {server.url}?mirror" in caplog.text
    assert len(server.seen) == 2
    assert {entry.name for entry in target.parent.iterdir()} <= {"cat.h5", "cat.h5.lock"}


def test_a_mirror_with_another_file_is_refused(server, target):
    server.script = [say(404), say(200, b"another file")]
    with pytest.raises(CannotBeDone, match=r"mirror: SHA256 hash of downloaded file .* does not match"):
        download(server.url, target, sha256=SHA256, mirrors=[f"{server.url}?mirror"])
    assert not target.exists()


def test_the_part_of_a_mirror_is_resumed_there(server, target):
    leave_part(target, f"{server.url}?mirror")
    download(server.url, target, sha256=SHA256, mirrors=[f"{server.url}?mirror"])
    assert ranges(server) == ["bytes=1000-"]
    assert target.read_bytes() == DATA


def test_when_all_addresses_fail_the_last_says_so(server, target, caplog):
    server.script = [say(404)]
    mirrors = [f"{server.url}?2", f"{server.url}?3"]
    with pytest.raises(CannotBeDone, match=r"received 404; download .*\?3 by hand") as caught:
        download(server.url, target, sha256=SHA256, mirrors=mirrors)
    assert "\n" not in str(caught.value)
    assert len(server.seen) == 3 and caplog.text.count("; trying ") == 2


def test_a_mirror_must_be_allowed_as_well(server, target):
    with pytest.raises(GalvaeError, match="URL not allowed"):
        download(server.url, target, mirrors=["ftp://example.org/cat.h5"])
    assert server.seen == []


def test_last_modified_replaces_a_weak_etag(server, target):
    date = "Tue, 01 Jul 2025 10:00:00 GMT"
    server.script = [
        honest(upto=100, etag='W/"v1"', Last_Modified=date),
        honest(etag='W/"v1"', Last_Modified=date),
    ]
    download(server.url, target, sha256=SHA256)
    assert (server.seen[1]["Range"], server.seen[1]["If-Range"]) == ("bytes=100-", date)
    assert target.read_bytes() == DATA


def test_no_validator_starts_from_zero(server, target):
    server.script = [honest(upto=100, etag='W/"v1"'), honest()]
    download(server.url, target, sha256=SHA256)
    assert ranges(server) == [None, None]
    assert target.read_bytes() == DATA


def test_200_to_a_range_request_starts_from_zero(server, target):
    server.script = [honest(upto=100), say(200, DATA)]
    download(server.url, target, sha256=SHA256)
    assert ranges(server) == [None, "bytes=100-"]
    assert target.read_bytes() == DATA


def test_changed_file_starts_from_zero(server, target):
    fresh = DATA[::-1]
    server.script = [honest(upto=100), honest(fresh, etag='"v2"')]
    download(server.url, target)
    assert server.seen[1]["If-Range"] == '"v1"'
    assert target.read_bytes() == fresh


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": "bytes 999-102399/102400"},  # another start
        {"Content_Range": "bytes 1000-102400/102401"},  # another total
        {"Content_Range": "bytes 1000-102399/*"},  # no total
        {},
        {"Content_Range": "bytes 1000-102399/102400", "ETag": '"v2"'},  # If-Range ignored
    ],
)
def test_206_that_does_not_continue_the_part_starts_from_zero(server, target, headers):
    leave_part(target, server.url)
    server.script = [say(206, b"x" * 101_400, **headers), honest()]
    download(server.url, target)
    assert ranges(server) == ["bytes=1000-", None]
    assert target.read_bytes() == DATA


def test_416_starts_from_zero(server, target):
    leave_part(target, server.url, data=b"x" * 200_000)
    server.script = [say(416, Content_Range="bytes */102400"), honest()]
    download(server.url, target, sha256=SHA256)
    assert ranges(server) == ["bytes=200000-", None]
    assert target.read_bytes() == DATA


def test_complete_part_is_not_received_again(server, target):
    leave_part(target, server.url, data=DATA)
    download(server.url, target, sha256=SHA256)
    assert server.seen == []
    assert target.read_bytes() == DATA


def test_416_for_a_complete_part_of_unknown_length(server, target):
    leave_part(target, server.url, data=DATA, total=None)
    server.script = [say(416, Content_Range="bytes */102400")]
    download(server.url, target, sha256=SHA256)
    assert len(server.seen) == 1
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("memory", ["another url", "no validator", "cut off", "none"])
def test_part_that_cannot_be_trusted_starts_from_zero(server, target, memory):
    leave_part(
        target,
        "https://example.org/cat.h5" if memory == "another url" else server.url,
        validator=None if memory == "no validator" else '"v1"',
    )
    path = target.with_name("cat.h5.part.json")
    if memory == "cut off":
        path.write_text(path.read_text()[:-5])
    if memory == "none":
        path.unlink()
    download(server.url, target, sha256=SHA256)
    assert ranges(server) == [None]
    assert target.read_bytes() == DATA


def test_bytes_after_content_length_are_not_received(server, target):
    server.script = [say(200, DATA + b"more", Content_Length=len(DATA))]
    download(server.url, target, sha256=SHA256, size=len(DATA))
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("announced", [len(DATA) - 1, len(DATA) + 1])
def test_announced_length_other_than_size_is_refused_and_the_part_kept(server, target, announced):
    leave_part(target, server.url)
    server.script = [say(200, b"x" * announced)]
    message = fails(server.url, target, size=len(DATA))
    assert f"expected 102400 bytes, received {announced} in its header" in message
    assert part_of(target).read_bytes() == DATA[:1000]


def chunked(data, whole=True):
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (data[:7], data[7:]))
    body += b"0\r\n\r\n" if whole else b""
    return say(200, body, Content_Length=None, Transfer_Encoding="chunked", ETag='"v1"')


def test_body_of_unknown_length(server, target):
    server.script = [chunked(DATA)]
    download(server.url, target)
    assert target.read_bytes() == DATA


def test_cut_body_of_unknown_length_is_resumed(server, target):
    server.script = [chunked(DATA[:5000], whole=False), honest()]
    download(server.url, target)
    assert ranges(server) == [None, "bytes=5000-"]
    assert target.read_bytes() == DATA


def test_body_of_unknown_length_longer_than_size_is_refused(server, target):
    server.script = [chunked(DATA + b"x")]
    assert "expected 102400 bytes, received more" in fails(server.url, target, size=len(DATA))
    assert not part_of(target).exists()


def test_body_of_unknown_length_shorter_than_size_is_resumed(server, target):
    server.script = [chunked(DATA[:-10]), honest()]
    download(server.url, target, size=len(DATA))
    assert ranges(server) == [None, "bytes=102390-"]
    assert target.read_bytes() == DATA


def test_wrong_checksum_deletes_the_part(server, target):
    bad = b"x" * len(DATA)
    server.script = [honest(bad)]
    message = fails(server.url, target)
    assert SHA256 in message and hashlib.sha256(bad).hexdigest() in message
    assert not part_of(target).exists() and not target.with_name("cat.h5.part.json").exists()
    assert len(server.seen) == 1


def test_html_page_instead_of_the_file(server, target):
    page = say(200, b"<html>log in</html>", Content_Type="text/html; charset=utf-8")
    server.script = [page]
    assert SHA256 in fails(server.url, target)
    assert "expected 102400 bytes, received 19 in its header" in fails(server.url, target, size=len(DATA))
    target.unlink()
    with pytest.raises(CannotBeDone, match="HTML"):
        download(server.url, target)
    assert not target.exists()


def test_encoded_content_is_refused(server, target):
    server.script = [say(200, gzip.compress(DATA), Content_Encoding="gzip")]
    assert "gzip" in fails(server.url, target)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/hostname",
        "http://example.org/cat.h5",
        "ftp://127.0.0.1/cat.h5",
        "//[bad/",
        "https:///cat",
    ],
)
def test_redirect_to_what_is_not_allowed(server, target, location):
    server.script = [say(302, Location=location)]
    assert "https" in fails(server.url, target, error=GalvaeError)
    assert len(server.seen) == 1


def test_redirect_is_followed_and_resumed(server, target):
    server.script = [say(302, Location="/a"), honest(upto=100), say(307, Location="/b"), honest()]
    download(server.url, target, sha256=SHA256)
    assert ranges(server) == [None, None, "bytes=100-", "bytes=100-"]
    assert target.read_bytes() == DATA


def test_malformed_redirect_keeps_the_part(server, target):
    leave_part(target, server.url)
    server.script = [say(302, Location="/\xff")]
    assert "dataset.path=" in fails(server.url, target)
    assert part_of(target).read_bytes() == DATA[:1000]


def test_redirect_loop(server, target):
    server.script = [say(301, Location="/cat.h5")]
    assert "redirects" in fails(server.url, target)
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/cat.h5",
        "http://127.0.0.1.example.org/cat.h5",
        "http://127.0.0.1@example.org/cat.h5",
        "http://example.org\\@127.0.0.1/cat.h5",
        "http://10.0.0.1/cat.h5",
        "ftp://127.0.0.1/cat.h5",
        "file:///etc/hostname",
        "cat.h5",
        "https://",
        "",
    ],
)
def test_url_that_is_not_allowed(target, url):
    assert "https" in fails(url, target, error=GalvaeError)
    assert GalvaeError.exit_status == 2


def test_stall_is_resumed(server, target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    over = threading.Event()

    def stall(handler):
        honest(upto=3000)(handler)
        over.wait(5)

    server.script = [stall, honest()]
    download(server.url, target, sha256=SHA256)
    over.set()
    assert ranges(server) == [None, "bytes=3000-"]
    assert target.read_bytes() == DATA


def test_a_server_that_stalls_for_ever_is_given_up(server, target, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.1)
    over = threading.Event()

    def stall(handler):
        honest(upto=3000)(handler)
        over.wait(10)

    server.script = [stall]
    assert "timed out" in fails(server.url, target)
    over.set()
    assert len(server.seen) == 4 and part_of(target).read_bytes() == DATA[:3000]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_nobody_signed_is_refused(server, target, tmp_path):
    made = [tmp_path / "key.pem", tmp_path / "certificate.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", made[0], "-out", made[1]]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made[1], made[0])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    assert "certificate" in fails(server.url.replace("http:", "https:"), target).lower()
    assert server.seen == []


def test_reset_connection_is_retried(server, target):
    def reset(handler):
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    server.script = [reset, honest()]
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA


def test_404_is_not_retried(server, target):
    server.script = [say(404)]
    message = fails(server.url, target)
    assert "404" in message and "127.0.0.1" in message and "dataset.path=" in message
    assert len(server.seen) == 1


def test_500_is_retried(server, target):
    server.script = [say(500), say(500), honest()]
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA


def test_refused_connection_names_the_host_and_the_way_out(target):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    message = fails(f"http://127.0.0.1:{port}/cat.h5", target)
    assert "127.0.0.1" in message and "refused" in message and "dataset.path=" in message


def test_two_at_once_receive_one_body(server, target):
    arrived, go = threading.Event(), threading.Event()

    def slow(handler):
        arrived.set()
        go.wait(5)
        honest()(handler)

    server.script = [slow]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(download, server.url, target, sha256=SHA256)
        assert arrived.wait(5)
        second = pool.submit(download, server.url, target, sha256=SHA256)
        go.set()
        assert first.result() == second.result() == target
    assert len(server.seen) == 1
    assert target.read_bytes() == DATA


def test_disk_too_small_counts_only_the_missing_bytes(server, target, monkeypatch):
    leave_part(target, server.url)
    disk = SimpleNamespace(free=101_399)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: disk)
    message = fails(server.url, target)
    assert "expected 101,400 bytes of free space for cat.h5.part, received 101,399 bytes" in message
    assert part_of(target).read_bytes() == DATA[:1000]
    disk.free = 101_400
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA


def test_full_disk_keeps_the_part(server, target, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    leave_part(target, server.url)
    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "update", full)  # stands for the write just before it
        message = fails(server.url, target)
    assert "No space left on device" in message and "the next call resumes from cat.h5.part" in message
    assert part_of(target).read_bytes()[:1000] == DATA[:1000]
    download(server.url, target, sha256=SHA256)
    assert None not in ranges(server)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("moment", ["receiving", "verifying"])
def test_interrupt_keeps_the_part(server, target, monkeypatch, moment):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if moment == "receiving":
            patch.setattr(tqdm, "update", interrupt)
        else:
            patch.setattr("pooch.core.hash_matches", interrupt)
        with pytest.raises(KeyboardInterrupt):
            download(server.url, target, sha256=SHA256)
    assert not target.exists()
    kept = part_of(target).read_bytes()
    assert kept and DATA.startswith(kept)
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA
    assert ranges(server) == [None] + ([f"bytes={len(kept)}-"] if len(kept) < len(DATA) else [])


def test_file_system_without_hard_links(server, target, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(module.os, "link", unsupported)
    download(server.url, target, sha256=SHA256)
    assert target.read_bytes() == DATA


def test_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(CannotBeDone, match="cannot write"):
        download(server.url, tmp_path / "data" / "cat.h5")
    assert server.seen == []
