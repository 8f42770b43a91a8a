"""Rows in a temporary file, and reading ahead."""

import threading

import numpy as np
import pytest

from skestimators.utils._read_ahead import read_ahead
from skestimators.utils._row_file import RowFile


def test_rows_come_back_in_any_order():
    values = np.random.default_rng(0).normal(size=(20, 3, 4)).astype(np.float32)
    with RowFile(20, (3, 4)) as file:
        order = np.random.default_rng(1).permutation(20)
        for rows in np.split(order, [1, 7, 12]):
            file[rows] = values[rows]
        assert len(file) == 20
        np.testing.assert_array_equal(file[order], values[order])
        np.testing.assert_array_equal(file[[3, 3]], values[[3, 3]])
        assert file[np.array([], dtype=int)].shape == (0, 3, 4)


def test_row_that_was_never_written_is_an_error():
    with RowFile(2, (3,)) as file:
        file[[0]] = np.ones((1, 3))
        with pytest.raises(OSError, match="ends before row 1"):
            file[[0, 1]]


def test_full_disk_says_how_much_room_is_needed(monkeypatch):
    with RowFile(1000, (4096,)) as file:

        class Full:
            def seek(self, place):
                pass

            def write(self, data):
                raise OSError(28, "No space left on device")

            close = file._file.close

        monkeypatch.setattr(file, "_file", Full())
        with pytest.raises(OSError, match=r"1000 images need 0.016 GB .* TMPDIR"):
            file[[0]] = np.zeros((1, 4096))


def test_read_ahead_keeps_order_and_reads_in_another_thread():
    def read(number):
        return number, threading.current_thread() is threading.main_thread()

    read_all = list(read_ahead(range(10), read))
    assert [batch for batch, _ in read_all] == list(range(10))
    assert [result for _, result in read_all] == [(n, False) for n in range(10)]


def test_read_ahead_takes_few_batches_and_leaves_no_thread():
    taken = []

    def batches():
        for number in range(1000):
            taken.append(number)
            yield number

    n_threads = threading.active_count()
    stream = read_ahead(batches(), lambda number: number, depth=2)
    assert next(stream) == (0, 0)
    assert taken == [0, 1, 2]
    stream.close()
    assert threading.active_count() == n_threads


def test_error_while_reading_comes_with_its_batch():
    def read(number):
        return 1 / (2 - number)

    stream = read_ahead(range(5), read)
    assert [next(stream)[1], next(stream)[1]] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(stream)
