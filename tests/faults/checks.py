"""What must hold for the files that a kill leaves behind."""

import shutil
import sqlite3

from faults.jobs import BODIES

from skestimators.utils._archive import read_archive


def _copied(folder):
    """Return a copy, as opening a database is enough to mend it."""
    return shutil.copytree(folder, folder.with_name("copy"))


def check_database(path):
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def check_store(folder):
    copy = _copied(folder)
    if (copy / "store.db").exists():
        check_database(copy / "store.db")
    shutil.rmtree(copy)


def check_search(folder):
    copy = _copied(folder)
    if (copy / "search.db").exists():
        check_database(copy / "search.db")
    shutil.rmtree(copy)


def check_fetch(folder):
    """Whatever has arrived is the beginning of the file."""
    part = folder / "room" / "body.bin.part"
    if part.exists():
        assert BODIES["long"].startswith(part.read_bytes())


def check_archives(folder):
    """Every file that has its name has all of its content."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".zip", ".skestimators"):
            kind = "checkpoint" if path.suffix == ".zip" else "estimator"
            assert read_archive(path, kind=kind)


CHECKS = {
    "store": check_store,
    "search": check_search,
    "fetch": check_fetch,
    "archives": check_archives,
}
