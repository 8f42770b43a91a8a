"""What is fuzzed of the readers of tables and other text."""

import gzip
import io
import zipfile

import numpy as np
from fuzz.target import Target, run_on_file
from sklearn.linear_model import Ridge

_ROBOT = b"normal\n" + b"\t-1\t-1\t63\t-3\t-1\t0\n" * 15
_NUMBERS = (b"nan", b"1e999", b"-0", b"0x1", b"1_0", b"\xd9\xa1", b"9" * 320)
_TABLE = (b'"', b'""', b",", b"\t", b"\r", b"\r\n", b"\x00", b"\xef\xbb\xbf", b"~")


def _both(*texts):
    """Return files as they are and gzipped."""
    return [*texts, *(gzip.compress(text, 1, mtime=0) for text in texts)]


def _fasta(path):
    from skestimators.datasets import read_fasta

    assert read_fasta(path)["sequence"].str.fullmatch("[A-Z]+").all()


def _fasta_with_scores(path):
    from skestimators.datasets import read_fasta

    assert np.isfinite(read_fasta(path, score_field=-1)["score"]).all()


def _dms(**options):
    def read(path):
        from skestimators.datasets import read_dms

        assert np.isfinite(read_dms(path, **options)["score"]).all()

    return read


def _interactions(**options):
    def read(path):
        from skestimators.datasets import read_interactions

        table = read_interactions(path, **options)
        assert table["response"].dropna().isin([0, 1]).all()
        assert (table["skill"] != "").all()

    return read


def _robot(path):
    from skestimators.datasets import read_robot_failures

    X, y = read_robot_failures(path)
    assert X.shape == (len(y), 15, 6)
    assert np.isfinite(X).all()


def _kuka(path):
    from skestimators.datasets import read_kuka_records

    records = read_kuka_records(path.parent)
    assert np.isfinite(records.drop(columns="key").to_numpy()).all()


def _flare_table(path, root=None, min_flare=None):
    from skestimators.datasets import read_flare_table

    table = read_flare_table(path, root, min_flare=min_flare)
    assert set(table.labels) <= {0, 1}


def _member(path):
    from skestimators.datasets._fetch_checks import open_member

    with open_member(path, "lp1.data") as file:
        while file.read(2**16):
            pass


def _params(path, estimator=None):
    from skestimators.model_selection import load_params

    assert all(isinstance(name, str) for name in load_params(path, estimator))


def _kuka_texts():
    row = " ".join(str(number / 8) for number in range(48))
    later = " ".join(str(number / 8 + 1) for number in range(48))
    return [f"time ...\n{row}\n{later}\n".encode(), f"# t_Sec t_nSec\n{row}\n".encode()]


def _kuka_tables(write):
    import pandas as pd

    from skestimators.datasets._kuka import _NAMES

    table = pd.DataFrame(np.arange(96.0).reshape(2, 48), columns=_NAMES)
    files = []
    for frame in (table, table.assign(key=["1,2", "3,4"])):
        file = io.BytesIO()
        getattr(frame, write)(file)
        files.append(file.getvalue())
    return files


def _zips():
    files = []
    for compression in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
        zipfile.ZIP_BZIP2,
        zipfile.ZIP_LZMA,
    ):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            archive.writestr("robot/lp1.data", _ROBOT)
        files.append(file.getvalue())
    return files


def _interaction_files():
    export = (
        "order_id,user_id,correct,skill_id\n1,7,1,12_31\n2,7,0,12\n2,7,0,13\n3,8,1,\n"
    )
    hints = (
        "problem_log_id,skill,user_id,correct,start_time\n"
        '5,"Add, carry",7,0.5,2012-09-28 15:11:27\n6,Pie,8,1,2012-09-29 01:00:00\n'
    )
    return _both(
        b"2\n7,12\n1,0\n1\n31~12\n1\n",
        b"3\n1,2,3,\n1,nan,0,\n0\n\n\n",
        b"1 7 1\n1 12 0\n2 x~y nan\n",
        b"student,skill,response\na,7,1\na,12.0,0\nb,7,\n",
        export.encode(),
        hints.encode(),
        b"log_id\tsequence_id\tuser_id\tcorrect\n1\t5\t1\t.25\n2\t5\t1\t1\n",
    )


TARGETS = {
    "read_fasta": Target(
        run_on_file("variants.fasta", _fasta, _fasta_with_scores),
        lambda: _both(b">0|x|0.25\nVSIQ\nHF*\n>1|x|1.5 y\r\nMTIQHF\r\n"),
        (b">", b"|", b"*", b"\r\n", b"-", *_NUMBERS),
    ),
    "read_dms": Target(
        run_on_file(
            "scan.csv",
            _dms(duplicates="mean"),
            _dms(wild_type="MKVLA", duplicates="keep"),
            _dms(),
        ),
        lambda: _both(
            b"mutant,score\nK2R,0.5\nK2R:V3A,-1.25\nWT,0\n",
            b"mutant,mutated_sequence,DMS_score\nK2R,MRVLA,1e-3\nL4V,MKVVA,2\n",
        ),
        (b"mutant", b"score", b"WT", b"K2R", b"L4V", b":", *_NUMBERS, *_TABLE),
    ),
    "read_interactions": Target(
        run_on_file(
            "answers.csv",
            _interactions(fractional="round", missing_skill="drop"),
            _interactions(fractional="drop", missing_skill="error"),
            _interactions(format="rows", fractional="wrong", missing_skill="drop"),
        ),
        _interaction_files,
        (b"user_id", b"skill_id", b"correct", b"order_id", b"start_time", b"nan", b"_")
        + _NUMBERS
        + _TABLE,
    ),
    "read_robot_failures": Target(
        run_on_file("lp1.data", _robot),
        lambda: _both(_ROBOT + b"\n\n" + _ROBOT.replace(b"normal", b"collision")),
        (b"\t-1\t-1\t63\t-3\t-1\t0\n", b"normal\n", *_NUMBERS),
    ),
    "read_kuka_records": Target(
        run_on_file("plate_1_2_demoRecord.txt", _kuka),
        _kuka_texts,
        (b"t_Sec", b"t_nSec", b"#", b"\n", *_NUMBERS, *_TABLE),
    ),
    "read_kuka_records: feather": Target(
        run_on_file("plate_1_2_demoRecord.feather", _kuka),
        lambda: _kuka_tables("to_feather"),
        max_len=32_768,
    ),
    "read_kuka_records: parquet": Target(
        run_on_file("plate_1_2_demoRecord.parquet", _kuka),
        lambda: _kuka_tables("to_parquet"),
        max_len=65_536,
    ),
    "read_flare_table": Target(
        run_on_file(
            "labels.csv",
            _flare_table,
            lambda path: _flare_table(path, path.parent),
            lambda path: _flare_table(path, min_flare="M1.0"),
        ),
        lambda: _both(
            b"filename,class\n11158/0.png,1\n11166/1.png,0\n",
            b"11158/0.png,X2.2\n11158/1.png,C1.5\n11166/0.png,0\n",
            b"name,flareSize\n1069_hmi.M_720s.20100505_000000_TAI.1.png,M1.0\n",
        ),
        (b"filename", b"class", b"../", b"HARP377/", b"X", b"\\", *_NUMBERS, *_TABLE),
    ),
    "fetch_robot_failures: zip": Target(
        run_on_file("failures.zip", _member, names_file=False),
        _zips,
        (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"lp1.data"),
        errors=(OSError,),
    ),
    "load_params": Target(
        run_on_file("best.json", _params, lambda path: _params(path, Ridge())),
        lambda: [
            b'{"alpha": 0.5, "solver": "auto"}',
            b'{"hidden_layer_sizes": [20, 64], "a": {"b": [null, true, 1e3, -7]}}',
        ],
        (b"[[[[", b'{"a":', b"NaN", b"Infinity", b"\\ud800", *_NUMBERS),
    ),
}
