"""Tables that a page sends to other programs: a real SAMP hub, and a client of it that opens what it receives."""

import contextlib
import io
import socket
import threading
import time
import urllib.request
import warnings
import xmlrpc.client

import numpy as np
import pytest
from astropy.io.votable import parse_single_table
from builders.explorer import synthetic
from builders.javascript import context, put

from galvae.explorer.modules import bundled
from galvae.explorer.server import PageServer

PORT = 21012  # at which hubs listen for web pages, by the standard
TABLE = (
    "<VOTABLE><RESOURCE><TABLE><FIELD name='id' datatype='int'/><DATA><TABLEDATA><TR><TD>7</TD></TR></TABLEDATA>"
    "</DATA></TABLE></RESOURCE></VOTABLE>"
)
POLICY = "default-src 'none'; script-src 'unsafe-inline'; connect-src http://localhost:21012 'self'"


@pytest.fixture
def page_file(tmp_path):
    """A page that can send, as a file: the name is that of the explorer's page."""
    path = tmp_path / "explorer.html"
    path.write_text(
        f'<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<script>{bundled('samp.js')}\ndocument.documentElement.dataset.ready = 'true';</script>",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def hub(tmp_path):
    """Starts a SAMP hub whose user lets in whoever asks, or nobody."""
    samp = pytest.importorskip("pyvo.samp", reason="pyvo, which astronn brings, is not installed")
    from pyvo.samp.hub import WebProfileDialog

    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            pytest.skip(f"port {PORT} is taken, probably by a SAMP hub")

    class Dialog(WebProfileDialog):
        """Answers at once."""

        asked, accepts = [], True

        def show_dialog(self, name, details, client, origin):
            self.asked.append((name, origin))
            (self.consent if self.accepts else self.reject)()

    dialog, stopped = Dialog(), threading.Event()

    def answer():
        while not stopped.wait(0.02):
            dialog.handle_queue()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hub = samp.SAMPHubServer(
            web_profile=True, web_profile_dialog=dialog, addr="127.0.0.1", lockfile=str(tmp_path / "samp")
        )
        hub.start()
    hub.dialog = dialog
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    yield hub
    stopped.set()
    hub.stop()
    thread.join()


@pytest.fixture
def client(hub):
    """A program that takes tables and positions, and opens what it is sent."""
    from pyvo.samp import SAMPIntegratedClient

    client = SAMPIntegratedClient(name="A reader", addr="127.0.0.1")
    client.connect(hub=hub)
    client.received = []

    def take(private_key, sender, message_id, mtype, parameters, extra):
        try:
            if "url" in parameters:
                parameters["content"] = urllib.request.urlopen(parameters["url"]).read()
            client.received.append(parameters)
            answer = {"samp.status": "samp.ok", "samp.result": {}}
        except OSError as error:
            answer = {"samp.status": "samp.error", "samp.error": {"samp.errortxt": str(error)}}
        # pyvo's hub notes that it waits for an answer only after it has sent the message, and loses one that is faster.
        while not hub._sync_msg_ids_heap:
            time.sleep(0.01)
        client.reply(message_id, answer)

    for mtype in ("table.load.votable", "coord.pointAt.sky"):
        client.bind_receive_call(mtype, take)
    yield client
    client.disconnect()


def names(hub):
    """Names of what is registered with a hub."""
    return {one.get("samp.name") for one in hub._metadata.values()}


@pytest.mark.slow
def test_a_file_sends_a_table_and_a_position(open_page, page_file, hub, client):
    page = open_page(address=page_file.as_uri(), requests=("file:", "http://localhost:21012/"))
    assert page.requests == [page_file.as_uri()]  # none before it is asked to
    assert page.evaluate("(table) => sendTable(table, 'two & <three>')", TABLE) == "A reader has it."
    (received,) = client.received
    assert received["name"] == "two & <three>"
    assert parse_single_table(io.BytesIO(received["content"])).array["id"].tolist() == [7]
    assert page.evaluate("pointAt(12.5, -30)") == "A reader has it."
    assert client.received[1]["ra"] == "12.5" and client.received[1]["dec"] == "-30"
    assert hub.dialog.asked == [("galvae explorer", "null")]  # once
    assert "galvae explorer" in names(hub)
    page.goto("about:blank")
    deadline = time.time() + 5
    while "galvae explorer" in names(hub) and time.time() < deadline:
        page.wait_for_timeout(20)
    assert "galvae explorer" not in names(hub)


@pytest.mark.slow
def test_a_served_page_gives_the_table_an_address(open_page, page_file, hub, client):
    with PageServer(page_file.parent, 8000) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            page = open_page(
                address=server.address, requests=("http://localhost:21012/", server.address[:-13])
            )
            assert page.evaluate("(table) => sendTable(table, 'name')", TABLE) == "A reader has it."
        finally:
            server.shutdown()
            thread.join()
    (received,) = client.received
    assert received["url"] == server.address.replace("explorer.html", "selection.xml")
    assert received["content"].decode() == TABLE


@pytest.mark.slow
def test_the_selected_galaxies_arrive_with_every_bit(open_page, hub, client):
    """By the button of the explorer's own page, under its own rules for what it may connect to."""
    manifest, arrays, sheets = synthetic()
    page = open_page((manifest, arrays, sheets), requests=("file:", "data:", "http://localhost:21012/"))
    page.click("#tab-selection")
    page.click("#legend >> text=edge-on")
    page.click("#selection >> text=Select highlighted")
    page.click("#selection >> text=Send to TOPCAT")
    page.wait_for_selector("#selection .exports >> text=A reader has it.")
    table = parse_single_table(io.BytesIO(client.received[0]["content"])).to_table()
    galaxies = np.flatnonzero(arrays["column class"] == 1)
    assert list(table["id"]) == [arrays["ids"][galaxy] for galaxy in galaxies]
    for name in ("ra", "dec"):
        assert np.array(table[name]).tobytes() == arrays[f"column {name}"][galaxies].tobytes()
    assert [page.inner_text("#selection .count"), len(client.received)] == [
        f"{len(galaxies)} of 300 galaxies, {len(galaxies) / 3:.0f} %",
        1,
    ]


@pytest.mark.slow
def test_sentences_when_it_does_not_work(open_page, page_file, hub):
    page = open_page(address=page_file.as_uri(), requests=("file:", "http://localhost:21012/"))
    hub.dialog.accepts = False
    answer = page.evaluate("(table) => sendTable(table, 'name')", TABLE)
    assert "did not let this page in" in answer and "rejected by the user" in answer
    hub.dialog.accepts = True
    assert page.evaluate("pointAt(1, 2)") == (
        "A SAMP hub answers, but no program there takes positions: start TOPCAT or Aladin."
    )


@pytest.mark.slow
def test_without_a_hub_one_sentence(open_page, page_file):
    with contextlib.closing(socket.socket()) as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"a SAMP hub runs at port {PORT}")
    page = open_page(
        address=page_file.as_uri(), requests=("file:", "http://localhost:21012/"), complaints=True
    )
    answer = page.evaluate("pointAt(1, 2)")
    assert answer == (
        "No SAMP hub answers on this machine: start TOPCAT or Aladin and allow web clients. The hubs of TOPCAT and"
        " Aladin refuse a page that was opened as a file: open it with galvae explore run=RUN serve=true."
    )


def test_calls_are_xml_rpc():
    """Python's own XML-RPC reads what the page writes."""
    page = context("samp.js")
    parameters = ["k", {"samp.mtype": "a", "samp.params": {"<n>": '&"\n☃'}}, ["x", []]]
    put(page, "parameters", parameters)
    read, method = xmlrpc.client.loads(page.eval("xmlRpcCall('samp.webhub.call', parameters)"))
    assert method == "samp.webhub.call" and list(read) == parameters
