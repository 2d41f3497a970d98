"""Fetching the files of runs: what broke off goes on where it was, and nothing is there before its hash is right."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from flyball.client.errors import Damaged, NoServer, Refusal
from flyball.client.sending import Sender, Unreachable
from flyball.client.uploading import artifact_root

__all__ = ["ServedFiles"]

_CHUNK = 1 << 20
_TRIES, _PAUSE_S = 5, 0.5
_ENDED = 403


class ServedFiles:
    """The files of the runs of a server at a URL; token and user name as `fb.track()` takes them from the environment.

    >>> from flyball.client import ServedFiles
    >>> ServedFiles("http://127.0.0.1:5000").download("3f0c…", "model", "fetched")  # doctest: +SKIP
    [PosixPath('fetched/model/model.onnx')]
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise NoServer(
                "this names no tracking server", where=url, why="it is no http:// or https:// address",
                fix="write it like http://127.0.0.1:5000",
            )  # fmt: skip
        self._sender = Sender(url)

    def download(self, run: str, path: str = "", to: str | Path = ".") -> list[Path]:
        """Fetch a file of a run, or a folder ("": all of them), into the folder `to`; where they lie, in order.

        A file appears whole, with the hash that the server has registered, or not at all; what an earlier call, in
        another process too, has fetched of it is not fetched again. Raises NoServer, Refusal, Damaged, OSError.
        """
        with _told(self._sender.url):
            root = artifact_root(self._sender, run)
            found = list(self._walk(root, path.strip("/")))
        if not found and path:
            found = [path.strip("/")]
        fetched = []
        for one in sorted(found):
            target = Path(to) / one
            target.parent.mkdir(parents=True, exist_ok=True)
            self._fetch(f"{root}/{one}", target)
            fetched.append(target)
        return fetched

    def _walk(self, root: str, folder: str) -> Iterator[str]:
        place = f"{root}/{folder}" if folder else root
        for entry in self._sender.files(f"artifacts?{urlencode({'path': place})}", None)["files"]:
            name = str(entry["path"])
            if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
                raise Refusal(
                    "the server names a file that would lie elsewhere", where=self._sender.url, why=repr(name)
                )
            inner = f"{folder}/{name}" if folder else name
            if entry.get("is_dir"):
                yield from self._walk(root, inner)
            else:
                yield inner

    def _fetch(self, place: str, target: Path) -> None:
        """Fetch one file beside its place, then move it there. Tries that bring something do not count as failed."""
        tries = _TRIES
        while True:
            with _told(self._sender.url):
                link = self._sender.files(f"presigned/{quote(place)}", None)
            partly = target.with_name(f".{target.name}.{link['sha256'][:16]}.part")
            before = partly.stat().st_size if partly.exists() else 0
            try:
                self._go_on(link, partly, before)
                break
            except (Unreachable, Refusal) as error:
                moved = partly.exists() and partly.stat().st_size > before
                tries = _TRIES if moved else tries - 1
                if isinstance(error, Refusal) and error.answered != _ENDED:
                    raise
                if tries <= 0:
                    raise _away(self._sender.url, error) from error
                time.sleep(0 if moved else _PAUSE_S)
        _check(partly, str(link["sha256"]), target)
        partly.replace(target)

    def _go_on(self, link: Mapping[str, Any], partly: Path, offset: int) -> None:
        size = int(link["size"])
        with partly.open("ab") as file:
            if offset > size:
                file.truncate(0)
                offset = 0
            if offset == size:
                return
            headers = {**(link.get("headers") or {}), "range": f"bytes={offset}-"}
            with self._sender.open(str(link["url"]), headers) as answer:
                if answer.status != 206:  # the whole file comes, whatever was asked for
                    file.truncate(0)
                for piece in self._sender.pieces(answer, _CHUNK):
                    file.write(piece)
        if partly.stat().st_size != size:
            raise Unreachable(f"{partly.stat().st_size:,} of {size:,} bytes arrived")


@contextlib.contextmanager
def _told(url: str) -> Iterator[None]:
    """What cannot be reached is said as an error of this package."""
    try:
        yield
    except Unreachable as error:
        raise _away(url, error) from error


def _away(url: str, error: Exception) -> NoServer:
    return NoServer(
        "the tracking server does not answer", where=url, why=str(error),
        fix="start it, then run this again: what has arrived is kept",
    )  # fmt: skip


def _check(partly: Path, wanted: str, target: Path) -> None:
    found = hashlib.sha256()
    with partly.open("rb") as file:
        while piece := file.read(_CHUNK):
            found.update(piece)
    if found.hexdigest() != wanted:
        partly.unlink()
        raise Damaged(
            "what arrived is not what the server has registered", where=str(target),
            why=f"it hashes to {found.hexdigest()[:12]}…, not {wanted[:12]}…",
            fix="fetch it again; if that does not help, `flyball audit verify` on the server names what is damaged",
        )  # fmt: skip
