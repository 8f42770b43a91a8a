"""Downloads that go on where they were cut."""

import json
import re

_CHUNK = 2**14
_LENGTH = re.compile("[0-9]{1,18}")


class BadAnswerError(OSError):
    """A server answered with something else than the file."""

    def __init__(self, message, *, passing):
        super().__init__(message)
        self.passing = passing


class Part:
    """What is there of a file that is being downloaded.

    A note beside it says what it is a part of, so that a later process can tell whether
    the file on the server is still the same.

    Parameters
    ----------
    path : Path
        Where the whole file will be.

    url : str
        Where it comes from.

    Attributes
    ----------
    path : Path
        The part.

    resumed : bool
        Whether the last download went on with a part that had been there.
    """

    def __init__(self, path, url):
        self.path = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._url = url
        self.resumed = False

    def download(self, pooch):
        """Download what is missing.

        Parameters
        ----------
        pooch : module
            Pooch.

        Raises
        ------
        BadAnswerError, requests.exceptions.RequestException
            If the download fails. What has arrived is kept.
        """
        size = self.path.stat().st_size if self.path.exists() else 0
        note = self._read_note()
        # Offsets count bytes as they are sent, so that these must be those of the file.
        headers = {"Accept-Encoding": "identity"}
        self.resumed = bool(size and note["validator"])
        if self.resumed:
            if size == note["length"]:
                return
            headers["Range"] = f"bytes={size}-"
            headers["If-Range"] = note["validator"]
        responses = []
        with open(self.path, "ab") as file:

            def begin(response, **kwargs):
                responses.append(response)
                self._begin(response, file, size, note)

            get = pooch.HTTPDownloader(
                chunk_size=_CHUNK, headers=headers, hooks={"response": begin}
            )
            try:
                get(self._url, file, None)
            except ValueError as error:
                # Of those of requests, all are OSErrors as well.
                if isinstance(error, OSError):
                    raise
                raise BadAnswerError(
                    f"the server's answer cannot be read ({error})", passing=True
                ) from error
            finally:
                for response in responses:
                    response.close()
        length = self._read_note()["length"]
        size = self.path.stat().st_size
        # Not all versions of what is below notice it.
        if length is not None and size < length:
            raise BadAnswerError(
                f"the connection ended after {size} of {length} bytes", passing=True
            )

    def _begin(self, response, file, size, note):
        """Make file and note ready for what a server is about to send."""
        if response.status_code == 206:
            if not _continues(response.headers, size, note):
                file.truncate(0)
                raise BadAnswerError(
                    f"the server was asked for what follows {size} bytes of a file, "
                    f"but sent something else",
                    passing=True,
                )
        elif response.status_code == 200:
            kind = response.headers.get("Content-Type", "")
            if kind.startswith("text/html"):
                raise BadAnswerError(
                    "the server sent a web page instead of the file, as do networks "
                    "that want a login first",
                    passing=False,
                )
            file.truncate(0)
            self.resumed = False
            self._write_note(response.headers)
        elif response.status_code == 416:
            # There are no bytes where this part ends.
            file.truncate(0)

    def _write_note(self, headers):
        length = _LENGTH.fullmatch(headers.get("Content-Length", ""))
        note = {
            "url": self._url,
            "validator": _validator(headers),
            "length": int(length[0]) if length else None,
        }
        self._note.write_text(json.dumps(note), encoding="utf-8")

    def _read_note(self):
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            if note["url"] == self._url:
                return note
        except (FileNotFoundError, ValueError):
            pass
        return {"validator": None, "length": None}

    def discard(self):
        """Delete the part and its note."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _validator(headers):
    """Return what changes when a file on a server does, or None."""
    tag = headers.get("ETag", "")
    # Weak tags stand for contents that mean the same, but may have other bytes.
    return headers.get("Last-Modified") if tag[:2] in ("", "W/") else tag


def _continues(headers, size, note):
    """Tell whether an answer goes on with a part of this size and of this note."""
    span, _, total = headers.get("Content-Range", "").partition("/")
    return (
        span.startswith(f"bytes {size}-")
        and total in ("*", str(note["length"] or total))
        and _validator(headers) in (None, note["validator"])
    )
