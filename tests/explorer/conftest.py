"""A browser for the tests of the explorer, in which a page that complains or connects fails its test."""

import contextlib
import os
import shutil

import pytest

from galvae.explorer.page import write_page

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AT_HAND = ("file:", "data:", "blob:")  # addresses for which a browser connects to nobody


@pytest.fixture(scope="session")
def browser():
    """A Chromium without a window, one for all tests of a session."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the Python package playwright is not installed"
    )
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("no Chromium is installed (Debian's package is called chromium)")
    # Chromium's sandbox refuses root, as whom containers run tests.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, tmp_path):
    """Opens the page of some contents, or at an address, in the browser.

    `open_page(contents, address=None, fragment="", ready=True, complaints=False, requests=AT_HAND, **options)`:
    contents are (manifest, arrays, sheets) as `builders.explorer.synthetic` makes them; `fragment` is the address's
    part after #, `ready` waits until the plane is drawn; options are those of playwright's `new_context`, such as
    `color_scheme="dark"` and `viewport={"width": 800, "height": 600}`.

    Returns:
        The playwright page. What its console, its errors and its dialogs say, and addresses that it asks for, are the
        lists `page.complaints` and `page.requests`. At the end of the test nothing may be in the first, unless
        `complaints=True`, and only addresses that begin with one of `requests` in the second.
    """
    with contextlib.ExitStack() as opened:
        checked = []

        def open_page(
            contents=None,
            address=None,
            fragment="",
            ready=True,
            complaints=False,
            requests=AT_HAND,
            **options,
        ):
            if address is None:
                folder = tmp_path / f"page-{len(checked)}"
                folder.mkdir()
                address = write_page(folder / "explorer.html", *contents).as_uri()
            context = opened.enter_context(contextlib.closing(browser.new_context(**options)))
            page = context.new_page()
            page.complaints, page.requests = told, asked = [], []
            checked.append((page, complaints, requests))
            # Those of other windows, which the page may open, too.
            context.on("console", lambda line: line.type in ("error", "warning") and told.append(line.text))
            context.on("weberror", lambda error: told.append(str(error.error)))
            context.on("dialog", lambda dialog: (told.append(f"dialog: {dialog.message}"), dialog.dismiss()))
            context.on("request", lambda request: asked.append(request.url))
            page.goto(address + ("#" + fragment if fragment else ""))
            if ready:
                page.wait_for_selector("html[data-ready], #message.error", timeout=30_000)
                assert page.query_selector("html[data-ready]"), (page.text_content("#message"), told)
            return page

        yield open_page
        for page, complaints, requests in checked:
            page.wait_for_timeout(1)  # lets what waits be told
            assert complaints or not page.complaints, page.complaints
            assert not [address for address in page.requests if not address.startswith(requests)]
