import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skestimators.feature_extraction import ESMEmbedder
from skestimators.feature_extraction._store import VectorStore, compute_once

KEYS = [bytes([i]) * 32 for i in range(50)]
VECTORS = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "store.db"


@pytest.fixture
def filled(path):
    with VectorStore(path) as store:
        store.put(KEYS, VECTORS)
    return path


def _written(path):
    """Return the key of every vector that was put, None if it was put again later."""
    connection = sqlite3.connect(path)
    # Whatever is put gets the next number.
    rows = dict(connection.execute("SELECT rowid, key FROM vectors"))
    connection.close()
    return [rows.get(number) for number in range(1, max(rows, default=0) + 1)]


def test_keeps_vectors_bit_by_bit(filled):
    vectors = VECTORS.copy()
    vectors[0, :3] = np.nan, np.inf, -0.0
    with VectorStore(filled) as store:
        store.put(KEYS[:1], vectors[:1])
    with VectorStore(filled) as store:
        found = store.get([*KEYS, b"unknown"], 8)
    assert list(found) == KEYS or set(found) == set(KEYS)
    for key, vector in zip(KEYS, vectors, strict=True):
        assert found[key].tobytes() == vector.tobytes()


def test_another_width_is_not_found(filled):
    with VectorStore(filled) as store:
        assert store.get(KEYS, 9) == {}


def test_many_keys_at_once(path):
    keys = [i.to_bytes(32, "big") for i in range(3000)]
    with VectorStore(path) as store:
        store.put(keys, np.arange(3000.0)[:, None])
        found = store.get(keys[::-1], 1)
    assert [found[key][0] for key in keys] == list(range(3000))


def test_flipped_bytes_never_give_wrong_numbers(filled):
    intact = filled.read_bytes()
    rng, outcomes = np.random.default_rng(0), set()
    for _ in range(150):
        damaged = bytearray(intact)
        for place in rng.integers(len(intact), size=rng.integers(1, 20)):
            damaged[place] ^= rng.integers(1, 256)
        filled.write_bytes(damaged)
        outcomes.add(_read_and_repair(filled))
    assert outcomes == {"right", "error"}


@pytest.mark.parametrize("part", [0, 1, 50, 100, 5000, 0.5, 0.9])
def test_truncated_file_never_gives_wrong_numbers(part, filled):
    intact = filled.read_bytes()
    size = part if isinstance(part, int) else int(len(intact) * part)
    filled.write_bytes(intact[:size])
    assert _read_and_repair(filled) != "unclear error"


def _look_up(batches):
    return ((items, VECTORS[items]) for items in batches)


def _read_and_repair(path):
    """Use a damaged store; everything it gives out must be right."""
    for log in path.parent.glob("*-*"):
        log.unlink()
    vectors = np.full_like(VECTORS, np.nan)
    try:
        with VectorStore(path) as store:
            for items, computed in compute_once(
                store, KEYS, lambda items: [items], _look_up, 8
            ):
                vectors[items] = computed
    except (ValueError, OSError) as error:
        return "error" if str(path) in str(error) else "unclear error"
    np.testing.assert_array_equal(vectors, VECTORS)
    return "right"


def test_corrupt_row_is_computed_again_and_mended(filled):
    connection = sqlite3.connect(filled)
    swap = (
        "UPDATE vectors SET {0} = (SELECT {0} FROM vectors WHERE key = ?) WHERE key = ?"
    )
    connection.execute(swap.format("value"), (KEYS[1], KEYS[0]))
    connection.execute(swap.format("checksum"), (KEYS[1], KEYS[0]))
    connection.execute("UPDATE vectors SET value = 'text' WHERE key = ?", (KEYS[2],))
    connection.commit()
    connection.close()
    before = len(_written(filled))
    assert _read_and_repair(filled) == "right"
    assert set(_written(filled)[before:]) == {KEYS[0], KEYS[2]}
    with VectorStore(filled) as store:
        assert len(store.get(KEYS, 8)) == 50


def test_what_is_no_store_is_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("my notes " * 1000)
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(ValueError, match=path.name):
            VectorStore(path)
        assert path.read_bytes() == before
    with pytest.raises(ValueError, match="is a folder"):
        VectorStore(tmp_path)


def test_full_disk_is_named_and_leaves_the_store_usable(filled):
    # A limit on the size of files stands in for the disk.
    code = f"""
        import resource, numpy as np
        from skestimators.feature_extraction._store import VectorStore
        with VectorStore({str(filled)!r}) as store:
            size = 200_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            store.put([b"big"], np.zeros((1, 10_000_000)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"OSError: The store {filled} cannot be" in done.stderr
    with VectorStore(filled) as store:
        store.put([b"small"], VECTORS[:1])
        assert len(store.get([*KEYS, b"small", b"big"], 8)) == 51


def test_claims_of_the_dead_and_the_slow_are_taken_over(path):
    code = f"""
        import os
        from skestimators.feature_extraction._store import VectorStore
        VectorStore({str(path)!r}).claim([b"a"])
        os._exit(1)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    with VectorStore(path, claim_seconds=1) as store, VectorStore(path) as other:
        if os.name == "posix":
            assert other.claim([b"a"]) == {b"a"}
        assert store.claim([b"b"]) == {b"b"}
        assert other.claim([b"b", b"c"]) == {b"c"}
        other.release([b"c"])
        assert store.claim([b"b", b"c"]) == {b"c"}
        time.sleep(1.1)
        assert other.claim([b"b"]) == {b"b"}


def test_claims_of_a_closed_store_are_taken_over(path):
    with VectorStore(path) as store:
        closed = VectorStore(path)
        assert closed.claim([b"a"]) == {b"a"}
        assert store.claim([b"a"]) == set()
        closed.close()
        assert store.claim([b"a"]) == {b"a"}


def test_failure_gives_the_claim_back(path):
    def fail(batches):
        next(iter(batches))
        raise RuntimeError("out of memory")
        yield

    with VectorStore(path) as store, VectorStore(path) as other:
        with pytest.raises(RuntimeError, match="out of memory"):
            list(compute_once(store, KEYS, lambda items: [items], fail, 8))
        assert other.claim(KEYS) == set(KEYS)


def test_what_is_not_finite_is_given_out_but_not_kept(path):
    vectors = VECTORS.copy()
    vectors[1, 3] = np.nan

    def compute(batches):
        return ((items, vectors[items]) for items in batches)

    with VectorStore(path) as store, VectorStore(path) as other:
        parts = compute_once(store, KEYS, lambda items: [items], compute, 8)
        ((items, given),) = parts
        np.testing.assert_array_equal(given, vectors[items])
        assert set(store.get(KEYS, 8)) == set(KEYS) - {KEYS[1]}
        assert other.claim(KEYS[:2]) >= {KEYS[1]}


def test_claims_ahead_are_given_back_when_interrupted(path):
    def compute(batches):
        ahead = list(batches)
        yield ahead[0], VECTORS[ahead[0]]
        raise KeyboardInterrupt

    with VectorStore(path) as store, VectorStore(path) as other:
        parts = compute_once(
            store, KEYS, lambda items: np.array_split(items, 4), compute, 8
        )
        items, _ = next(parts)
        missing = [key for i, key in enumerate(KEYS) if i not in items]
        assert other.claim(missing) == set()
        with pytest.raises(KeyboardInterrupt):
            next(parts)
        assert other.claim(missing) == set(missing)


def _compute_in_process(path, ready, queue):
    ready.wait()
    vectors = np.full_like(VECTORS, np.nan)
    n_computed = 0

    def compute(batches):
        nonlocal n_computed
        for items in batches:
            n_computed += len(items)
            time.sleep(0.02)
            yield items, VECTORS[items]

    with VectorStore(path) as store:
        for items, computed in compute_once(
            store, KEYS, lambda items: np.array_split(items, 10), compute, 8
        ):
            vectors[items] = computed
    queue.put((n_computed, np.array_equal(vectors, VECTORS)))


def test_processes_share_the_work(path):
    context = multiprocessing.get_context("spawn")
    ready, queue = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_compute_in_process, args=(path, ready, queue))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    results = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert all(right for _, right in results)
    assert sum(n_computed for n_computed, _ in results) == len(KEYS)
    assert all(n_computed > 0 for n_computed, _ in results)


_CHILD = """
    import sys, warnings
    warnings.simplefilter("ignore")
    from skestimators.feature_extraction import ESMEmbedder
    sequences = open(sys.argv[1]).read().split()
    embedder = ESMEmbedder(
        weights="random", random_state=0, cache=sys.argv[2], tokens_per_batch=600,
        n_jobs=1,
    )
    embedder.fit_transform(sequences)
"""


def _start_child(sequences, path, tmp_path):
    (tmp_path / "sequences.txt").write_text("\n".join(sequences))
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(_CHILD),
            tmp_path / "sequences.txt",
            path,
        ]
    )


@pytest.fixture
def embedder(path):
    return ESMEmbedder(
        weights="random", random_state=0, cache=path, tokens_per_batch=600, n_jobs=1
    )


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_run_resumes_where_it_stopped(embedder, make_sequences, path, tmp_path):
    sequences = make_sequences([100] * 200)
    VectorStore(path).close()
    child = _start_child(sequences, path, tmp_path)
    deadline = time.monotonic() + 120
    while len(_written(path)) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    n_before = len(_written(path))
    assert 20 <= n_before < 200
    actual = embedder.fit_transform(sequences)
    assert len(_written(path)) == len(set(_written(path))) == 200
    expected = embedder.set_params(cache=None).fit_transform(sequences)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_two_processes_embed_into_one_store(embedder, make_sequences, path, tmp_path):
    sequences = make_sequences([60] * 300)
    VectorStore(path).close()
    child = _start_child(sequences, path, tmp_path)
    deadline = time.monotonic() + 120
    while not _written(path) and time.monotonic() < deadline:
        time.sleep(0.01)
    by_child = len(_written(path))
    actual = embedder.fit_transform(sequences)
    assert child.wait() == 0
    # The child was at work when this process began, and was not done.
    assert 0 < by_child < 300
    assert len(_written(path)) == len(set(_written(path))) == 300
    expected = embedder.set_params(cache=None).fit_transform(sequences)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_key_follows_everything_that_changes_the_vector(
    embedder, make_sequences, path, checkpoints
):
    (long,) = make_sequences([1100])
    VectorStore(path).close()
    for changes in (
        {},
        {"pooling": "max"},
        {"layers": -2},
        {"dtype": "bfloat16"},
        {"long_sequences": "truncate"},
        {"random_state": 1},
        {"model": "esm2_t12_35M_UR50D"},
        {"model": "esm2_t6_8M_UR50D", "weights": checkpoints["esm2_t6_8M_UR50D"][1]},
    ):
        embedder.set_params(**changes)
        first = embedder.fit_transform([long])
        n_written = len(_written(path))
        np.testing.assert_array_equal(embedder.fit_transform([long]), first)
        assert len(_written(path)) == n_written
    assert len(set(_written(path))) == 8
    embedder.set_params(tokens_per_batch=7, n_jobs=2).fit_transform([long])
    assert len(_written(path)) == 8


def test_search_embeds_once(embedder, make_sequences, path):
    X = pd.DataFrame({"sequence": make_sequences([30] * 40)})
    y = X["sequence"].str.count("W")
    VectorStore(path).close()
    search = GridSearchCV(
        make_pipeline(embedder, Ridge()),
        {"ridge__alpha": [0.1, 1.0, 10.0]},
        cv=4,
        n_jobs=2,
        error_score="raise",
    ).fit(X, y)
    search.predict(X)
    assert len(_written(path)) == len(set(_written(path))) == 40


def test_store_of_something_else_is_named_by_transform(embedder, tmp_path):
    (tmp_path / "notes.txt").write_text("my notes " * 1000)
    embedder.set_params(cache=tmp_path / "notes.txt").fit(["MKTA"])
    with pytest.raises(ValueError, match=r"notes\.txt .* left alone\. Name another"):
        embedder.transform(["MKTA"])
    assert (tmp_path / "notes.txt").read_text().startswith("my notes")
