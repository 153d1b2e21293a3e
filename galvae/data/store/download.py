"""One resumable, checked download for every dataset."""

import ipaddress
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pooch
import requests
from filelock import FileLock
from tqdm import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from galvae.errors import CannotBeDone, GalvaeError, line_of

log = logging.getLogger(__name__)
pooch.get_logger().setLevel(logging.WARNING)  # its notes would repeat ours

TIMEOUT = 30.0  # seconds without a connection or a byte until a try is given up
PAUSES = (1.0, 2.0, 4.0)  # seconds before each new try
MAX_REDIRECTS = 5
CHUNK = 1 << 20  # bytes read at most at once


def download(url: str, target: Path, *, sha256: str | None = None, size: int | None = None) -> Path:
    """Download a file once, resuming what an earlier call has left.

    A target that is already good is returned without any network access. Until the new bytes are complete
    and verified they lie in ``<target>.part``, so that an interrupted download can be resumed and an older
    target stays as it is. Processes that ask for the same target wait for each other.

    Args:
        url: An https address; plain http only to this machine.
        target: The file to write; its folder is made if needed.
        sha256: The expected SHA-256 digest, hexadecimal.
        size: The expected length in bytes.

    Returns:
        The target.

    Raises:
        GalvaeError: If the URL, or one that it redirects to, is not allowed.
        CannotBeDone: If the network, the disk or the check of the received file fails.
    """
    target = Path(target)
    part = Path(f"{target}.part")
    _allowed(url)

    def fetch(_url: str, staged: str, _pooch: object) -> None:
        _fetch(url, part, size, checked=sha256 is not None or size is not None)
        # A second name for the same bytes: pooch deletes its own when interrupted, the part must survive that.
        os.remove(staged)
        try:
            os.link(part, staged)
        except OSError:  # a file system without hard links
            os.replace(part, staged)

    try:
        if _is_good(target, sha256, size):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if _is_good(target, sha256, size):  # another process was faster
                return target
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as stage:
                try:
                    verified = pooch.retrieve(url, sha256, target.name, stage, downloader=fetch)
                except ValueError as error:  # pooch's word for a wrong checksum, with both digests
                    _forget(part)
                    raise CannotBeDone(f"{url}: {error}") from error
                os.replace(verified, target)
            _forget(part)
    except OSError as error:
        kept = f"{part.name} is kept for the next call" if part.exists() else "nothing is kept"
        raise CannotBeDone(f"cannot write {target}: {error.strerror or error}; {kept}") from error
    return target


def _is_good(target: Path, sha256: str | None, size: int | None) -> bool:
    if not target.is_file():
        return False
    if sha256 is not None:
        return pooch.file_hash(str(target)) == sha256.lower()
    return size in (None, target.stat().st_size)


def _fetch(url: str, part: Path, size: int | None, checked: bool) -> None:
    """Complete the part, trying again after trouble that may pass."""
    for pause in (*PAUSES, None):
        try:
            _receive(url, part, size, checked)
        except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: a malformed header
            reason = _reason(error)
            if pause is None:
                raise CannotBeDone(_failure(url, part, reason)) from error
        else:
            return
        log.warning("download of %s interrupted: %s; trying again in %g s", part.stem, reason, pause)
        time.sleep(pause)


def _receive(url: str, part: Path, size: int | None, checked: bool) -> None:
    """Ask once for the missing bytes; a requests or urllib3 error means that a new try may help."""
    position, validator, total = _remembered(part, url)
    if position and position == total and size in (None, total):
        return
    headers = {"Accept-Encoding": "identity"}
    if position:
        headers |= {"Range": f"bytes={position}-", "If-Range": validator}

    with _open(url, headers) as response:
        status, given = response.status_code, response.headers
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", given.get("Content-Range", ""))
        start, length = (span[1], int(span[2])) if span else (None, None)
        if status == 416 and total is None and position == length and size in (None, length):
            return
        resumed = status == 206 and position > 0 and start == str(position) and total in (None, length)
        if resumed and _validator(given) not in (None, validator):
            resumed = False  # the server ignores If-Range, and the file has changed
        if status in (206, 416) and not resumed:
            _forget(part)
            raise requests.RequestException(f"status {status} does not continue the part, starting from zero")
        if status in (408, 429) or status >= 500:
            raise requests.RequestException(f"status 200 expected, {status} received")
        if status not in (200, 206):
            raise CannotBeDone(_failure(url, part, f"status 200 expected, {status} received"))

        # All refusals come before the part is touched: an error page must not cost the bytes received so far.
        if (encoding := given.get("Content-Encoding", "identity").lower()) != "identity":
            raise CannotBeDone(f"wrong encoding of {url}: plain bytes expected, {encoding!r} received")
        if not checked and given.get("Content-Type", "").lower().startswith("text/html"):
            raise CannotBeDone(f"wrong content of {url}: a data file expected, an HTML page received")
        if not resumed:
            announced = given.get("Content-Length", "")
            length = int(announced) if announced.isdecimal() else size
        if size not in (None, length):
            raise CannotBeDone(f"wrong size of {url}: {size} bytes expected, {length} announced")

        if resumed:
            log.info("resuming %s at byte %d of %d", part.stem, position, length)
        else:
            _forget(part)
            position = 0
            memory = {"url": url, "validator": _validator(given), "total": length}
            _memory(part).write_text(json.dumps(memory))
        missing, free = (length or 0) - position, shutil.disk_usage(part.parent).free
        if free < missing:
            raise CannotBeDone(f"disk too small for {part}: {missing} bytes needed, {free} bytes free")
        progress = tqdm(desc=part.stem, initial=position, total=length, unit="B", unit_scale=True)
        with part.open("ab") as file, progress:
            # read1 hands over whatever has arrived, so that a cut or a stall costs no byte.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                position += len(chunk)
                if length is not None and position > length:
                    break
                file.write(chunk)
                progress.update(len(chunk))
    if length is not None and position > length:
        _forget(part)
        raise CannotBeDone(f"wrong size of {url}: {length} bytes expected, more received")
    if length is not None and position < length:
        raise requests.RequestException(f"{length} bytes expected, {position} received")


@contextmanager
def _open(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Follow the redirects to an open response, by hand because every hop must be allowed."""
    options = {"headers": headers, "stream": True, "allow_redirects": False, "timeout": TIMEOUT}
    with requests.Session() as session:
        # Else requests prepares the next hop even when told not to follow it, before we can look at it.
        session.resolve_redirects = lambda *_, **__: iter(())
        hop = _allowed(url)
        for _ in range(MAX_REDIRECTS + 1):
            with session.get(hop, **options) as response:
                location = session.get_redirect_target(response)
                if location is None:
                    yield response
                    return
            hop = _allowed(location, base=hop)
    raise CannotBeDone(f"too many redirects from {url}: at most {MAX_REDIRECTS} expected, {hop} is one more")


def _allowed(url: str, base: str = "") -> str:
    """The URL, relative to the base if there is one, provided that it may be asked."""
    try:
        url = urljoin(base, url)
        # The URL as requests will send it: two parsers could disagree about the host.
        parsed = parse_url(requests.Request("GET", url).prepare().url)
    except ValueError as error:
        raise GalvaeError(f"not a URL: an https address expected, {url!r} received") from error
    host = (parsed.host or "").strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not host or not (parsed.scheme == "https" or (parsed.scheme == "http" and loopback)):
        raise GalvaeError(f"URL not allowed: https (http only to this machine) expected, {url!r} received")
    return url


def _memory(part: Path) -> Path:
    return Path(f"{part}.json")


def _remembered(part: Path, url: str) -> tuple[int, str | None, int | None]:
    """Position (bytes), validator and total length (bytes) of a part that can be resumed, else zero."""
    try:
        memory = json.loads(_memory(part).read_text())
        if memory["url"] == url and memory["validator"]:
            return part.stat().st_size, memory["validator"], memory["total"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # no part, or a memory cut off while it was written
    return 0, None, None


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _memory(part).unlink(missing_ok=True)


def _validator(headers: Mapping[str, str]) -> str | None:
    etag = headers.get("ETag", "W/")
    return headers.get("Last-Modified") if etag.startswith("W/") else etag


def _reason(error: object) -> str:
    """The innermost words of a nested requests or urllib3 error, in one line."""
    while isinstance(error, Exception) and error.args:
        error = getattr(error, "reason", error.args[0])
    return line_of(error)


def _failure(url: str, part: Path, reason: str) -> str:
    by_hand = f"fetch {url} by hand and give it with dataset.path= (what an archive holds: dataset.archive=)"
    return f"download of {part.stem} from {parse_url(url).host} failed: {reason}; {by_hand}"
