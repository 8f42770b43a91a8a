"""A long job in a process of its own, which may be killed: `worker.py JOB SCALE`.

It imports and makes its data first, says that it is ready, and then reads requests from
the standard input, one JSON object a line, and answers each in the same way.
"""

import hashlib
import json
import os
import shutil
import sys
import time
import traceback
import warnings

import numpy as np


class UnitLog:
    """Counts the work that is really done, in a file that survives a kill.

    `begin` says where it is, and may ask for a copy of the job's folder when a share of
    the work has been done: what a kill at that moment would leave.
    """

    _file = None

    def begin(self, folder, snapshot=None):
        path = f"{folder}.units"
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._folder, self._snapshot, self._done = folder, snapshot, 0.0

    def __call__(self, n_units=1.0):
        if self._file is None:
            return
        os.write(self._file, f"{n_units}\n".encode())
        self._done += n_units
        if self._snapshot and self._done > self._snapshot["after"]:
            shutil.copytree(self._folder, self._snapshot["to"])
            self._snapshot = None

    def end(self):
        os.close(self._file)
        self._file = None


def logged(owner, name, log):
    """Let a method of a class log its calls."""
    method = getattr(owner, name)

    def call(*args, **kwargs):
        log()
        return method(*args, **kwargs)

    setattr(owner, name, call)


def digest(result):
    """Return a checksum of every bit of a dict of arrays."""
    total = hashlib.sha256()
    for name in sorted(result):
        array = np.ascontiguousarray(result[name])
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def limit_files(n_bytes):
    """Let a limit on the size of files stand in for a full disk."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    soft = resource.RLIM_INFINITY if n_bytes is None else n_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def answer(job, log, *, folder, snapshot=None, limit=None):
    """Do the job once and say what came of it."""
    log.begin(folder, snapshot)
    start = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if limit is not None:
                limit_files(limit)
            reply = {"digest": digest(job(folder)), "seconds": time.monotonic() - start}
        except Exception as error:
            reply = {
                "kinds": [kind.__name__ for kind in type(error).__mro__],
                "message": str(error),
                "traceback": traceback.format_exc(),
            }
        finally:
            if limit is not None:
                limit_files(None)
            log.end()
    return reply | {"warnings": [str(warning.message) for warning in caught]}


def main(name, scale):
    from faults.jobs import BAD_JOBS, JOBS

    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    log = UnitLog()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = (JOBS | BAD_JOBS)[name].make(scale, log)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(
            json.dumps(answer(job, log, **json.loads(line))), file=answers, flush=True
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
