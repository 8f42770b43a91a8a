"""Disks without room, for jobs that must say so and then go on."""

import subprocess
from contextlib import contextmanager

from faults.damage import judge
from faults.harness import Worker, n_units, run_whole


@contextmanager
def small_disk(place, n_bytes):
    """Mount a file system of this size; yield a function that gives it more room.

    Yields
    ------
    make_room : callable or None
        None where nothing may be mounted.
    """
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        yield None
        return

    def make_room():
        remount = ["mount", "-o", "remount,size=64m", str(place)]
        subprocess.run(remount, check=True)

    try:
        yield make_room
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def try_full_disks(name, folder, shares=(0.05, 0.3, 0.6, 0.9)):
    """Let a job run out of room, and do it again when there is some.

    Parameters
    ----------
    name : str
        Name of the job.

    folder : Path
        Where its folders are made.

    shares : sequence of float
        How much room there is at first, as a share of what is needed.

    Returns
    -------
    n_full : int
        How often there was not enough room.

    wrong : list of str
        What did not go as it should.
    """
    n_full, wrong = 0, []
    with Worker(name, "short") as worker:
        whole = run_whole(worker, folder / "whole")
        files = [path for path in (folder / "whole").rglob("*") if path.is_file()]
        sizes = [path.stat().st_size for path in files]
        for number, share in enumerate(shares):
            place = folder / f"disk_{number}"
            with small_disk(place, int(share * sum(sizes))) as make_room:
                if make_room is None:
                    # Of the largest file: a limit on sizes stands in for the disk.
                    first = worker.do(place, limit=int(share * max(sizes)))
                else:
                    first = worker.do(place)
                    make_room()
                wrong += _check(first, worker.do(place), whole, place)
                n_full += "digest" not in first
    return n_full, wrong


def _check(first, second, whole, place):
    """Return what is wrong with two replies, the second of which had all the room."""
    wrong = []
    outcome = judge(first, whole.digest, place)
    if outcome not in ("same", "error"):
        wrong.append(f"{place.name}: {outcome}")
    if outcome == "error" and "OSError" not in first["kinds"]:
        wrong.append(f"{place.name}: no OSError but {first['traceback']}")
    if second.get("digest") != whole.digest:
        wrong.append(f"{place.name}, then with room: {second.get('traceback')}")
    if n_units(place) > whole.n_units + 1 + 1e-9:
        wrong.append(f"{place.name}: {n_units(place)} units, not {whole.n_units} and 1")
    return wrong
