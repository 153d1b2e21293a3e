"""A web server for a page whose data are in files beside it, for browsers on this machine alone."""

import http.server
import logging
import re
import socketserver
from pathlib import Path

from galvae.errors import GalvaeError

ADDRESS = "127.0.0.1"
HOSTS = (ADDRESS, "localhost")
PORTS = 20  # tried one after another, if other programs have the first ones
PAGE = "explorer.html"
FILES = re.compile(rf"{re.escape(PAGE)}|data-[0-9a-f]{{16}}/[a-z]+-\d+\.bin")
# The galaxies that were last selected, for programs that take a table by its address only, as TOPCAT does.
TABLE = "selection.xml"
LARGEST_TABLE = 64 * 2**20  # bytes
HEADERS = {
    # No other site may show the page in a frame, where it could lead its user's clicks; a page cannot say so itself.
    ".html": {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "frame-ancestors 'none'",
    },
    ".bin": {"Content-Type": "application/octet-stream"},
}

log = logging.getLogger(__name__)


class PageServer(socketserver.ThreadingTCPServer):
    """Hands out a page and its data to browsers on this machine.

        with PageServer(folder, port) as server:
            print(server.address)
            server.serve_forever()  # until Ctrl-C

    Nothing but the page's own files is handed out, and only to requests for this machine's name: another site, whose
    name is made to lead to this machine (DNS rebinding), receives nothing.

    Args:
        folder: folder of the page.
        port: port to listen at; if it is taken, one of the following 19.

    Attributes:
        address: address of the page.
        table: the table that the page has put here, as bytes; None before.

    Raises:
        GalvaeError: if no port is free or may be used.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder, port):
        self.folder, self.table = Path(folder).resolve(), None
        for candidate in range(port, min(port + PORTS, 65536)):
            try:
                super().__init__((ADDRESS, candidate), _Handler)
                break
            except OSError as error:
                reason = error
        else:
            raise GalvaeError(
                f"port={port}: expected a free port, received {reason.strerror} for it and the next; choose another"
            )
        self.address = f"http://{ADDRESS}:{self.server_address[1]}/{PAGE}"

    def handle_error(self, request, client_address):
        """Has nothing printed about a browser that is gone before it has everything."""
        log.debug("a request failed", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers one browser."""

    protocol_version = "HTTP/1.1"  # one connection for many files
    server_version, sys_version = "galvae", ""
    timeout = 60  # seconds without a request, after which a connection is closed

    def do_GET(self):
        """The page, one of its files, or the table."""
        if not self._is_for_this_machine():
            return
        name = self.path.partition("?")[0].removeprefix("/")
        if name == "":
            self._answer(302, b"", {"Location": f"/{PAGE}"})
        elif name == TABLE and self.server.table is not None:
            # A browser that is led to it shows text, whatever it holds.
            policy = {"Content-Security-Policy": "default-src 'none'; sandbox"}
            self._answer(200, self.server.table, {"Content-Type": "application/x-votable+xml", **policy})
        elif (path := self._file(name)) is not None:
            self._answer(200, path.read_bytes(), HEADERS[path.suffix])
        else:
            self.send_error(404)

    def do_HEAD(self):
        """What would come before the content."""
        self.do_GET()

    def do_PUT(self):
        """Takes the table of the selected galaxies, from the page itself only."""
        if not self._is_for_this_machine():
            return
        length = self.headers["Content-Length"] or ""
        if self.path != f"/{TABLE}" or self.headers["Origin"] != f"http://{self.headers['Host']}":
            self.send_error(403)
        elif not re.fullmatch("[0-9]{1,9}", length) or int(length) > LARGEST_TABLE:
            self.send_error(413)
        elif len(table := self.rfile.read(int(length))) < int(length):
            self.close_connection = True  # the page is gone, or the connection broke: the table before stays
        else:
            self.server.table = table
            self._answer(204, b"", {})

    def log_message(self, format, *args):
        """Keeps the terminal free of one line per file."""
        log.debug(format, *args)

    def _is_for_this_machine(self):
        """Whether a request names this machine, through a tunnel at any port; answers it if not."""
        if (self.headers["Host"] or "").lower().partition(":")[0] in HOSTS:
            return True
        self.send_error(403, "This page is for browsers on its own machine", f"Open {self.server.address}")
        return False

    def _file(self, name):
        """Path of a file of the page; None for any other, also where a link leads out of the folder."""
        path = self.server.folder / name
        return path if FILES.fullmatch(name) and path.resolve() == path and path.is_file() else None

    def _answer(self, status, content, headers):
        """Sends an answer; of a HEAD request only what comes before the content."""
        self.send_response(status)
        for name, value in {
            **headers,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        }.items():
            self.send_header(name, value)
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
