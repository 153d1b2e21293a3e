"""The server of a page: what it hands out, and to whom."""

import contextlib
import http.client
import socket
import threading

import pytest
from builders.explorer import synthetic

from galvae.errors import GalvaeError
from galvae.explorer import server as server_module
from galvae.explorer.page import write_page
from galvae.explorer.server import PageServer


@contextlib.contextmanager
def running(folder, port=0):
    """A server that answers until the end of the block."""
    with PageServer(folder, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a page and its data, and what is nobody's business."""
    folder = tmp_path_factory.mktemp("explore")
    write_page(folder / "explorer.html", *synthetic(300, thumbnails=300), folder=True)
    (folder / "secret.txt").write_text("secret")
    (folder / ".hidden").mkdir()
    (folder.parent / "part-0.bin").write_text("secret")
    (data,) = folder.glob("data-*")
    (data / "part-900.bin").symlink_to(folder / "secret.txt")
    (data / "part-901.bin").symlink_to("/dev/zero")
    (folder / "data-0123456789abcdef").symlink_to(folder.parent)
    return folder


@pytest.fixture(scope="module")
def served(folder):
    """The server of that folder."""
    with running(folder) as server:
        yield server


def ask(server, path, method="GET", body=None, **headers):
    """(status, headers, content) of an answer; of headers, _ is - ."""
    connection = http.client.HTTPConnection(*server.server_address, timeout=10)
    with contextlib.closing(connection):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_the_page_and_its_data_are_handed_out_as_they_are(served, folder):
    assert served.address == f"http://127.0.0.1:{served.server_address[1]}/explorer.html"
    status, headers, content = ask(served, "/explorer.html?a=1")
    assert (status, content) == (200, (folder / "explorer.html").read_bytes())
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    (data,) = (path for path in folder.glob("data-*") if not path.is_symlink())
    for name in ("part-0.bin", "sheet-1.bin"):
        status, headers, content = ask(served, f"/{data.name}/{name}")
        assert (status, content) == (200, (data / name).read_bytes())
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(served, "/")[1]["Location"] == "/explorer.html"


def test_head_says_how_long_the_content_would_be(served, folder):
    status, headers, content = ask(served, "/explorer.html", "HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) == (folder / "explorer.html").stat().st_size


@pytest.mark.parametrize(
    "path",
    [
        *("/secret.txt", "/.hidden", "/.hidden/", "/part-0.bin", "/selection.xml", "*", "/explorer.html/"),
        *("/../part-0.bin", "/%2e%2e/part-0.bin", "/data-0123456789abcdef/part-0.bin", "/DATA/../secret.txt"),
        *("/DATA", "/DATA/", "/DATA/part-900.bin", "/DATA/part-901.bin", "/DATA/part-902.bin"),
        *("/DATA/part-0.bin%00", "/DATA/part-0.bin\\", "/DATA/part-0.bin/.."),
    ],
)  # fmt: skip
def test_nothing_else_is_handed_out(served, folder, path):
    (data,) = (path for path in folder.glob("data-*") if not path.is_symlink())
    status, _, content = ask(served, path.replace("DATA", data.name))
    assert status == 404 and b"secret" not in content and b"part-1" not in content


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:9000", "127.0.0.1:1"])
def test_this_machine_may_ask_through_a_tunnel(served, host):
    assert ask(served, "/explorer.html", Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::1]", "0.0.0.0"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/explorer.html"), ("HEAD", "/explorer.html"), ("PUT", "/selection.xml")]
)
def test_other_hosts_are_refused(served, host, method, path):
    status, _, content = ask(served, path, method, Host=host, Origin=f"http://{host}")
    assert status == 403 and b"manifest" not in content


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "PUT"])
def test_other_methods_are_refused(served, method):
    origin = served.address.removesuffix("/explorer.html")
    assert ask(served, "/explorer.html", method, b"x", Origin=origin)[0] in (403, 501)


def test_a_table_is_kept_for_other_programs_if_the_page_itself_puts_it(served):
    origin = served.address.removesuffix("/explorer.html")
    try:
        for other in (None, "null", "http://evil.example", origin + "0", "https" + origin[4:]):
            headers = {} if other is None else {"Origin": other}
            assert ask(served, "/selection.xml", "PUT", b"<VOTABLE/>", **headers)[0] == 403
        assert ask(served, "/selection.xml")[0] == 404
        assert ask(served, "/selection.xml", "PUT", b"<VOTABLE/>", Origin=origin)[0] == 204
        status, headers, content = ask(served, "/selection.xml")
        assert (status, content) == (200, b"<VOTABLE/>")
        assert headers["Content-Type"] == "application/x-votable+xml"
        assert "sandbox" in headers["Content-Security-Policy"]
        with socket.create_connection(served.server_address, timeout=10) as broken:
            lines = (
                f"PUT /selection.xml HTTP/1.1\r\nHost: {origin[7:]}\r\nOrigin: {origin}\r\nContent-Length: 10"
            )
            broken.sendall(f"{lines}\r\n\r\n<VOT".encode())
            broken.shutdown(socket.SHUT_WR)
            assert broken.recv(1) == b""  # closed, as the table is not whole
        for length in ("67108865", "-1", "1e3", "9" * 12):
            assert ask(served, "/selection.xml", "PUT", b"", Origin=origin, Content_Length=length)[0] == 413
        assert ask(served, "/selection.xml")[2] == b"<VOTABLE/>"
    finally:
        served.table = None


def test_the_next_port_is_taken_if_one_is_taken(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(folder, port) as server:
            assert port < server.server_address[1] < port + server_module.PORTS
            assert str(server.server_address[1]) in server.address
            assert ask(server, "/explorer.html")[0] == 200


def test_no_free_port_is_an_error_that_names_the_key(folder, monkeypatch):
    monkeypatch.setattr(server_module, "PORTS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            GalvaeError, match=rf"^port={port}: expected a free port, received Address already in use"
        ):
            PageServer(folder, port)


def test_only_this_machine_is_listened_to(served):
    assert served.server_address[0] == "127.0.0.1"


def test_ctrl_c_ends_it(folder, monkeypatch):
    with pytest.raises(KeyboardInterrupt), PageServer(folder, 0) as server:
        monkeypatch.setattr(server, "service_actions", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        server.serve_forever(0.01)
    with pytest.raises(OSError, match="refused"):
        ask(server, "/explorer.html")
