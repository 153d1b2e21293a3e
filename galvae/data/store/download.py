"""Resumable and checked downloads, used by every dataset that is fetched from the web."""

import ipaddress
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pooch
import requests
from filelock import FileLock
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from galvae.errors import CannotBeDone, GalvaeError, byte_counts, line_of
from galvae.system.progress import progress_bar

log = logging.getLogger(__name__)
pooch.get_logger().setLevel(logging.WARNING)  # its messages would repeat ours

TIMEOUT = 30.0  # seconds without a connection or a byte after which an attempt ends
PAUSES = (1.0, 2.0, 4.0)  # seconds before each further attempt
MAX_REDIRECTS = 5
CHUNK = 1 << 20  # bytes read at once, at most


def download(
    url: str, target: Path, *, sha256: str | None = None, size: int | None = None, mirrors: Sequence[str] = ()
) -> Path:
    """Downloads a file once, and resumes a download that an earlier call did not complete.

    A target that is already valid is returned without any network access. Until the new bytes are complete
    and verified, they are stored in `<target>.part`, so that an interrupted download can be resumed and an
    older target stays as it is. Processes that download the same target wait for each other.

    Args:
        url: an https address; plain http only to this machine.
        target: the file to write; its folder is made if needed.
        sha256: the expected SHA-256 digest, hexadecimal.
        size: the expected size in bytes.
        mirrors: addresses of the same file, which are tried in this order when the first one fails.

    Returns:
        The target.

    Raises:
        GalvaeError: if the URL, or one that it redirects to, is not allowed.
        CannotBeDone: if the network, the disk or the check of the received file fails.
    """
    target = Path(target)
    part = Path(f"{target}.part")
    urls = [url, *mirrors]
    for address in urls:
        _allowed(address)
    try:
        if _is_valid(target, sha256, size):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if _is_valid(target, sha256, size):  # another process has downloaded it meanwhile
                return target
            # The address from which a part came is tried first, since only there can it be resumed.
            urls.sort(key=lambda address: not _state(part, address)[0])
            for number, address in enumerate(urls, 1):
                try:
                    _store(address, target, part, sha256, size)
                    break
                except CannotBeDone as error:
                    if number == len(urls):
                        raise
                    log.warning("%s; trying %s", error, urls[number])
            _remove(part)
    except OSError as error:
        rest = (
            f"the next call resumes from {part.name}" if part.exists() else "the next call starts from zero"
        )
        raise CannotBeDone(f"cannot write {target}: {error.strerror or error}; {rest}") from error
    return target


def _store(url: str, target: Path, part: Path, sha256: str | None, size: int | None) -> None:
    """Completes a part from one address, and moves it to the target if it is what was expected."""

    def fetch(_url: str, staged: str, _pooch: object) -> None:
        _fetch(url, part, size, checked=sha256 is not None or size is not None)
        # A second name for the same bytes: pooch deletes its own file when interrupted, but the part must survive.
        os.remove(staged)
        try:
            os.link(part, staged)
        except OSError:  # a file system without hard links
            os.replace(part, staged)

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as stage:
        try:
            verified = pooch.retrieve(url, sha256, target.name, stage, downloader=fetch)
        except ValueError as error:  # a wrong checksum, of which pooch's message has both digests
            _remove(part)
            raise CannotBeDone(f"{url}: {error}") from error
        os.replace(verified, target)


def _is_valid(target: Path, sha256: str | None, size: int | None) -> bool:
    """Whether a file exists and has the expected digest or, without one, the expected size."""
    if not target.is_file():
        return False
    if sha256 is not None:
        return pooch.file_hash(str(target)) == sha256.lower()
    return size in (None, target.stat().st_size)


def _fetch(url: str, part: Path, size: int | None, checked: bool) -> None:
    """Completes the part, with further attempts after errors that may pass."""
    for pause in (*PAUSES, None):
        try:
            _receive(url, part, size, checked)
        except (requests.RequestException, HTTPError, ValueError) as error:  # ValueError: a malformed header
            reason = _reason(error)
            if pause is None:
                raise CannotBeDone(_failure(url, part, reason)) from error
        else:
            return
        log.warning("download of %s was interrupted: %s; trying again in %g s", part.stem, reason, pause)
        time.sleep(pause)


def _receive(url: str, part: Path, size: int | None, checked: bool) -> None:
    """Requests the missing bytes once; a requests or urllib3 error means that another attempt may help."""
    position, validator, total = _state(part, url)
    if position and position == total and size in (None, total):
        return
    headers = {"Accept-Encoding": "identity"}
    if position:
        headers |= {"Range": f"bytes={position}-", "If-Range": validator}

    with _open(url, headers) as response:
        status, received = response.status_code, response.headers
        span = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", received.get("Content-Range", ""))
        start, length = (span[1], int(span[2])) if span else (None, None)
        if status == 416 and total is None and position == length and size in (None, length):
            return
        resumed = status == 206 and position > 0 and start == str(position) and total in (None, length)
        if resumed and _validator(received) not in (None, validator):
            resumed = False  # the server ignores If-Range, and the file has changed
        if status in (206, 416) and not resumed:
            _remove(part)
            raise requests.RequestException(
                f"status {status} does not resume the download, starting from zero"
            )
        if status in (408, 429) or status >= 500:
            raise requests.RequestException(f"expected status 200, received {status}")
        if status not in (200, 206):
            raise CannotBeDone(_failure(url, part, f"expected status 200, received {status}"))

        # All refusals come before the part is changed: an error page must not cost the bytes received so far.
        if (encoding := received.get("Content-Encoding", "identity").lower()) != "identity":
            raise CannotBeDone(f"wrong encoding of {url}: expected plain bytes, received {encoding!r}")
        if not checked and received.get("Content-Type", "").lower().startswith("text/html"):
            raise CannotBeDone(f"wrong content of {url}: expected a data file, received an HTML page")
        if not resumed:
            declared = received.get("Content-Length", "")
            length = int(declared) if declared.isdecimal() else size
        if size not in (None, length):
            raise CannotBeDone(f"wrong size of {url}: expected {size} bytes, received {length} in its header")

        if resumed:
            log.info("resuming %s at byte %d of %d", part.stem, position, length)
        else:
            _remove(part)
            position = 0
            state = {"url": url, "validator": _validator(received), "total": length}
            _state_file(part).write_text(json.dumps(state))
        missing, free = (length or 0) - position, shutil.disk_usage(part.parent).free
        if free < missing:
            needed, available = byte_counts(missing, free)
            raise CannotBeDone(
                f"{part.parent}: expected {needed} of free space for {part.name}, received {available}; choose another "
                "folder with dataset.cache_dir="
            )
        progress = progress_bar(length, f"downloading {part.stem}", "B", initial=position)
        with part.open("ab") as file, progress:
            # read1 returns whatever has arrived, so that a lost connection costs no byte.
            while chunk := response.raw.read1(CHUNK, decode_content=False):
                position += len(chunk)
                if length is not None and position > length:
                    break
                file.write(chunk)
                progress.update(len(chunk))
    if length is not None and position > length:
        _remove(part)
        raise CannotBeDone(f"wrong size of {url}: expected {length} bytes, received more")
    if length is not None and position < length:
        raise requests.RequestException(f"expected {length} bytes, received {position}")


@contextmanager
def _open(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """Follows the redirects to an open response, one by one, since every URL must be allowed."""
    options = {"headers": headers, "stream": True, "allow_redirects": False, "timeout": TIMEOUT}
    with requests.Session() as session:
        # Else requests prepares the next URL even though it is not to follow it, before we can check it.
        session.resolve_redirects = lambda *_, **__: iter(())
        hop = _allowed(url)
        for _ in range(MAX_REDIRECTS + 1):
            with session.get(hop, **options) as response:
                location = session.get_redirect_target(response)
                if location is None:
                    yield response
                    return
            hop = _allowed(location, base=hop)
    raise CannotBeDone(
        f"too many redirects from {url}: expected at most {MAX_REDIRECTS}, received one more to {hop}"
    )


def _allowed(url: str, base: str = "") -> str:
    """The absolute URL, if requests to it are allowed.

    Args:
        url: address, relative to `base` if there is one.
        base: address of the page that redirects to it.

    Raises:
        GalvaeError: if it is neither https nor http to this machine.
    """
    try:
        url = urljoin(base, url)
        # The URL as requests will send it: two parsers could disagree about the host.
        parsed = parse_url(requests.Request("GET", url).prepare().url)
    except ValueError as error:
        raise GalvaeError(f"not a URL: expected an https address, received {url!r}") from error
    host = (parsed.host or "").strip("[]")
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not host or not (parsed.scheme == "https" or (parsed.scheme == "http" and loopback)):
        raise GalvaeError(f"URL not allowed: expected https (http only to this machine), received {url!r}")
    return url


def _state_file(part: Path) -> Path:
    """The file beside a part that says where its bytes came from."""
    return Path(f"{part}.json")


def _state(part: Path, url: str) -> tuple[int, str | None, int | None]:
    """Size (bytes), validator and total size (bytes) of a part that can be resumed, else zero and None."""
    try:
        state = json.loads(_state_file(part).read_text())
        if state["url"] == url and state["validator"]:
            return part.stat().st_size, state["validator"], state["total"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # no part, or a state file that was cut off while it was written
    return 0, None, None


def _remove(part: Path) -> None:
    """Removes a part and its state file."""
    part.unlink(missing_ok=True)
    _state_file(part).unlink(missing_ok=True)


def _validator(headers: Mapping[str, str]) -> str | None:
    """What identifies this version of the file in a request to resume: a strong ETag, else its date."""
    etag = headers.get("ETag", "W/")
    return headers.get("Last-Modified") if etag.startswith("W/") else etag


def _reason(error: object) -> str:
    """The innermost message of a nested requests or urllib3 error, in one line."""
    while isinstance(error, Exception) and error.args:
        error = getattr(error, "reason", error.args[0])
    return line_of(error)


def _failure(url: str, part: Path, reason: str) -> str:
    """Message about a download that failed."""
    by_hand = (
        f"download {url} by hand and set dataset.path= to the file (dataset.archive= to an unpacked archive)"
    )
    return f"download of {part.stem} from {parse_url(url).host} failed: {reason}; {by_hand}"
