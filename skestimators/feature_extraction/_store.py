"""A file that keeps what was embedded, so that it is computed once."""

import hashlib
import os
import secrets
import socket
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# "skes", so that a database of something else is not taken for a store.
_APPLICATION_ID = 0x736B6573
_BUSY_SECONDS = 60.0
_KEYS_PER_QUERY = 500
_CHECKSUM_BYTES = 16
# Tokens of the stores that are open in this process.
_OPEN_HERE = set()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, value BLOB NOT NULL, checksum BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS claims (
    key BLOB PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL);
"""
# As SQLite writes it down. A view or trigger in their place could compute for ever.
_TABLES = {s.strip().replace("IF NOT EXISTS ", "") for s in _SCHEMA.split(";")[:-1]}


def _checksum(key, value):
    # The key is part of it: a row that swapped its vector with another is corrupt.
    return hashlib.blake2b(key + value, digest_size=_CHECKSUM_BYTES).digest()


def _this_process():
    return f"{socket.gethostname()}:{os.getpid()}"


def _is_dead(owner):
    """Tell whether who made a claim is known to have ended."""
    process, _, token = str(owner).partition("/")
    host, _, pid = process.rpartition(":")
    if process == _this_process():
        return token not in _OPEN_HERE
    # On Windows signal 0 would end the process; there claims run out by time only.
    if os.name != "posix" or host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False


class VectorStore:
    """Content-addressed vectors in one SQLite file, for many processes at once.

    Every row carries a checksum of its key and value. A row that does not match it is
    treated as missing, so the caller computes it again and overwrites it. Each call
    of `put` is one transaction: a process that is killed loses what it had not put.

    Processes that want the same vectors share the work by claims. A claim is only a
    hint; when it is lost or runs out a vector is computed twice, never wrongly.

    The file is in SQLite's write-ahead mode, which needs a local file system.

    Parameters
    ----------
    path : str or path-like
        The file; it and its folder are created when missing.

    claim_seconds : float, default=300.0
        How long the claim of a process that hangs, or of one on another machine that
        died, keeps others from computing the same vectors.

    Raises
    ------
    ValueError
        If the file is no store or is damaged.

    OSError
        If it cannot be opened or written; a full disk is one such case.
    """

    def __init__(self, path, *, claim_seconds=300.0):
        self.path = Path(path).expanduser().absolute()
        self.claim_seconds = claim_seconds
        self._token = secrets.token_hex(8)
        self._owner = f"{_this_process()}/{self._token}"
        self._connection = None
        with self._named_errors():
            if self.path.is_dir():
                raise ValueError(f"The store {self.path} is a folder; name a file.")
            self._make_folder()
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    def _make_folder(self):
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(
                f"The folder of the store {self.path} is not there and cannot be made "
                f"({error}). Name another file by the parameter `cache`."
            ) from error

    def _open(self):
        _OPEN_HERE.add(self._token)
        # Transactions are begun by hand (isolation_level=None), where they are needed.
        self._connection = sqlite3.connect(
            self.path, timeout=_BUSY_SECONDS, isolation_level=None
        )
        # In this order: another process may be creating the file between the two.
        (n_pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (found,) = self._connection.execute("PRAGMA application_id").fetchone()
        if n_pages and found != _APPLICATION_ID:
            raise ValueError(self._not_a_store())
        self._connection.execute("PRAGMA synchronous=NORMAL")
        if not self._has_schema():
            # Of two processes that create the file the second waits, and finds it done.
            with self._transaction():
                self._connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
                for statement in _SCHEMA.split(";")[:-1]:
                    self._connection.execute(statement)
        self._use_write_ahead_log()

    def _not_a_store(self):
        return (
            f"The file {self.path} is not a store of skestimators, or its header is "
            "damaged; it was left alone. Name another file."
        )

    def _has_schema(self):
        found = self._connection.execute("SELECT sql FROM sqlite_master").fetchall()
        if found and {sql for (sql,) in found} - {None} != _TABLES:
            raise ValueError(self._not_a_store())
        return bool(found)

    def _use_write_ahead_log(self):
        # Changing the mode does not honour the busy timeout; without it the store is
        # slower but right, and the next process that opens it tries again.
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
            ):
                raise

    @contextmanager
    def _transaction(self):
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors, such as a full disk.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _named_errors(self):
        try:
            yield
        # SQLite quotes damaged text in its messages, which then cannot be decoded.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._named(error) from error

    def _named(self, error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return ValueError(self._not_a_store())
        if code == sqlite3.SQLITE_FULL:
            return OSError(
                f"The disk of the store {self.path} is full. What was put before is "
                "kept: make room and run again."
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return TimeoutError(
                f"The store {self.path} was locked by another process for "
                f"{_BUSY_SECONDS:.0f} seconds ({error})."
            )
        if code in (
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_READONLY,
        ):
            return OSError(
                f"The store {self.path} cannot be read or written ({error}). What was "
                "put before is kept: check permissions and free space."
            )
        return ValueError(
            f"The store {self.path} is damaged or no store ({error}). Delete the file, "
            "and those beside it that end in -wal and -shm; what it kept will be "
            "computed again."
        )

    def get(self, keys, width):
        """Return the vectors that are there.

        Parameters
        ----------
        keys : sequence of bytes
            The keys asked for.

        width : int
            Number of elements of each vector.

        Returns
        -------
        found : dict of bytes to ndarray of shape (width,) and dtype float32
            The vectors; missing and corrupt ones are left out.
        """
        found = {}
        with self._named_errors():
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = list(keys[start : start + _KEYS_PER_QUERY])
                marks = ",".join("?" * len(part))
                rows = self._connection.execute(
                    f"SELECT key, value, checksum FROM vectors WHERE key IN ({marks})",
                    part,
                )
                for key, value, checksum in rows:
                    # Damage may change the type of a column as well.
                    if type(key) is not bytes or type(value) is not bytes:
                        continue
                    intact = _checksum(key, value) == checksum
                    if intact and len(value) == 4 * width:
                        found[key] = np.frombuffer(value, dtype="<f4")
        return found

    def put(self, keys, vectors):
        """Store vectors and drop the claims on them, in one transaction.

        Parameters
        ----------
        keys : sequence of bytes
            Their keys.

        vectors : ndarray of shape (n_keys, width)
            One row for each key.
        """
        rows = []
        for key, vector in zip(keys, np.asarray(vectors, dtype="<f4"), strict=True):
            value = vector.tobytes()
            rows.append((key, value, _checksum(key, value)))
        with self._named_errors(), self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows
            )
            self._release(keys)

    def claim(self, keys):
        """Claim the keys that nobody else is computing.

        Parameters
        ----------
        keys : sequence of bytes
            Keys that `get` did not find.

        Returns
        -------
        mine : set of bytes
            Those this process is to compute, and then to `put` or `release`.
        """
        now = time.time()
        claim = (self._owner, now + self.claim_seconds)
        with self._named_errors(), self._transaction():
            # A claim far in the future is a damaged one; nobody shall wait for it.
            self._connection.execute(
                "DELETE FROM claims WHERE NOT until BETWEEN ? AND ?",
                (now, now + 2 * self.claim_seconds),
            )
            owners = self._connection.execute("SELECT DISTINCT owner FROM claims")
            dead = [owner for owner in owners.fetchall() if _is_dead(*owner)]
            self._connection.executemany("DELETE FROM claims WHERE owner = ?", dead)
            insert = "INSERT OR IGNORE INTO claims VALUES (?, ?, ?)"
            return {
                key
                for key in keys
                if self._connection.execute(insert, (key, *claim)).rowcount
            }

    def release(self, keys):
        """Drop this process's claims on the keys."""
        with self._named_errors(), self._transaction():
            self._release(keys)

    def _release(self, keys):
        self._connection.executemany(
            "DELETE FROM claims WHERE key = ? AND owner = ?",
            [(key, self._owner) for key in keys],
        )

    def close(self):
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        _OPEN_HERE.discard(self._token)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def compute_once(store, keys, batches, compute, width):
    """Compute what a store does not have, sharing the work with other processes.

    Parameters
    ----------
    store : VectorStore
        Where vectors are looked up and put.

    keys : list of bytes
        The key of each item; no two the same.

    batches : callable
        Takes an array of items and returns them as a list of arrays, one per batch.

    compute : callable
        Takes an iterable of arrays of items and yields, for each, the items and their
        vectors, of shape (n_items, width). It may run ahead: what it takes from the
        iterable is claimed until then. A vector that is not finite is not stored.

    width : int
        Number of elements of each vector.

    Yields
    ------
    items, vectors : ndarray of int, ndarray of shape (n_items, width)
        Finished items, each once, in no particular order.
    """
    done, pause = np.zeros(len(keys), dtype=bool), 0.01
    while True:
        # Those that other processes finished in the meantime are found here as well.
        for items, vectors in _stored(store, keys, np.flatnonzero(~done), width):
            done[items] = True
            yield items, vectors
        if done.all():
            return
        n_before = done.sum()
        todo = batches(np.flatnonzero(~done))
        for items, vectors in _compute_claimed(store, keys, todo, compute, width):
            done[items] = True
            yield items, vectors
        # The rest is being computed elsewhere.
        if done.sum() == n_before:
            time.sleep(pause)
            pause = min(2 * pause, 0.5)


def _stored(store, keys, items, width):
    """Yield (items, vectors) that the store has, in parts of bounded size."""
    for start in range(0, len(items), _KEYS_PER_QUERY):
        part = items[start : start + _KEYS_PER_QUERY]
        found = store.get([keys[i] for i in part], width)
        here = [i for i in part if keys[i] in found]
        if here:
            yield np.array(here), np.array([found[keys[i]] for i in here])


def _compute_claimed(store, keys, batches, compute, width):
    """Yield (items, vectors) of those that nobody else is computing."""
    claimed = set()

    def missing():
        for batch in batches:
            mine = store.claim([keys[i] for i in batch])
            claimed.update(mine)
            items = np.array([i for i in batch if keys[i] in mine], dtype=int)
            # Another process may have put some between the last look and the claim;
            # the next look finds them.
            for here, _ in _stored(store, keys, items, width):
                items = np.setdiff1d(items, here)
            if len(items):
                yield items

    try:
        for items, vectors in compute(missing()):
            usable = np.isfinite(vectors).all(axis=1)
            put = [keys[i] for i in items[usable]]
            store.put(put, vectors[usable])
            claimed.difference_update(put)
            yield items, vectors
    finally:
        if claimed:
            store.release(claimed)
