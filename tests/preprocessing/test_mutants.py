import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skestimators.preprocessing import MutantSequenceBuilder

WILD_TYPE = "MKVLADGW"
AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
CODES = ["K2R", "K2R:W8A", "", "WT", "V3V", "W8A:K2R"]
SEQUENCES = ["MRVLADGW", "MRVLADGA", WILD_TYPE, WILD_TYPE, WILD_TYPE, "MRVLADGA"]


def transform(codes, wild_type=WILD_TYPE, **params):
    builder = MutantSequenceBuilder(wild_type, **params)
    return builder.fit_transform(codes)


def test_codes_become_sequences():
    sequences = transform(CODES)
    assert sequences.shape == (6, 1)
    assert sequences.dtype == object
    assert sequences.ravel().tolist() == SEQUENCES
    assert {type(s) for s in sequences.ravel()} == {str}


@pytest.mark.parametrize(
    "container",
    [
        tuple,
        lambda codes: [[code] for code in codes],
        np.array,
        pd.Series,
        lambda codes: pd.DataFrame({"mutant": codes}),
    ],
)
def test_every_container_gives_the_same(container):
    assert transform(container(CODES)).ravel().tolist() == SEQUENCES


@pytest.mark.parametrize(
    ("first_position", "code"), [(0, "K1R"), (1, "K2R"), (24, "K25R"), (-3, "K-2R")]
)
def test_positions_are_counted_from_first_position(first_position, code):
    assert transform([code], first_position=first_position).item() == "MRVLADGW"


def test_separator():
    assert transform(["K2R,W8A"], separator=",").item() == "MRVLADGA"
    with pytest.raises(ValueError, match="'K2R:W8A' is no mutation"):
        transform(["K2R:W8A"], separator=",")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("A2R", "the wild type has 'K' at position 2, not 'A'"),
        ("K9R", "position 9 is outside the wild type, .* run from 1 to 8"),
        ("M0R", "position 0 is outside the wild type"),
        ("K2Z", "'K2Z': 'Z' is no amino acid; use one of ACDEF"),
        ("K2*", r"'\*' is no amino acid"),
        ("K2r", "'r' is no amino acid"),
        ("K2R:K2A", "position 2 is mutated twice"),
        ("K2R:K2R", "position 2 is mutated twice"),
        ("K2R:", "'' is no mutation of the form"),
        ("k2R", "'k2R' is no mutation of the form"),
        ("2R", "'2R' is no mutation of the form"),
        ("K2RA", "'K2RA' is no mutation of the form"),
        ("K٢R", "is no mutation of the form"),
        ("K2R ", "'K2R ' is no mutation of the form"),
        ("K2R;W8A", "'K2R;W8A' is no mutation of the form"),
        ("wt", "'wt' is no mutation of the form"),
    ],
)
def test_errors_name_row_and_code(code, message):
    with pytest.raises(
        ValueError, match=f"^row 2, code {re.escape(repr(code))}: .*{message}"
    ):
        transform(["WT", "K2R", code, "K2R"])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, 5])
def test_missing_codes_are_named_by_row(missing):
    with pytest.raises(ValueError, match="row 1 of X"):
        transform(["WT", missing])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"wild_type": ""}, "wild_type must be a protein sequence"),
        ({"wild_type": "MKvL"}, "capital one-letter residues, but has 'v' at index 2"),
        ({"wild_type": "MK VL"}, "has ' ' at index 2"),
        ({"wild_type": None}, "'wild_type' parameter"),
        ({"first_position": 1.5}, "'first_position' parameter"),
        ({"separator": ""}, "separator must be a string that is not empty"),
        ({"separator": None}, "'separator' parameter"),
    ],
)
def test_parameters_are_checked_in_fit(params, message):
    builder = MutantSequenceBuilder(**{"wild_type": WILD_TYPE, **params})
    with pytest.raises(ValueError, match=message):
        builder.fit(["WT"])


def test_inverse_writes_canonical_codes():
    builder = MutantSequenceBuilder(WILD_TYPE).fit(["WT"])
    codes = builder.inverse_transform(SEQUENCES)
    expected = ["K2R", "K2R:W8A", "WT", "WT", "WT", "K2R:W8A"]
    assert codes.shape == (6, 1)
    assert codes.ravel().tolist() == expected


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("MKV", "has 3 residues, but the wild type 8"),
        ("", "has 0 residues"),
        ("MKVLADGX", "'X' at position 8 is no amino acid"),
        ("MKVLADG-", "'-' at position 8 is no amino acid"),
        ("MKVLADGé", "'é' at position 8 is no amino acid"),
    ],
)
def test_inverse_errors_name_the_row(sequence, message):
    builder = MutantSequenceBuilder(WILD_TYPE).fit(["WT"])
    with pytest.raises(ValueError, match=f"^row 1: .*{message}"):
        builder.inverse_transform([WILD_TYPE, sequence])


@given(st.data())
def test_inverse_undoes_transform(data):
    wild_type = data.draw(st.text("ACDXUZ", min_size=1, max_size=30))
    first = data.draw(st.integers(-50, 500))
    new = data.draw(
        st.dictionaries(
            st.integers(0, len(wild_type) - 1), st.sampled_from(AMINO_ACIDS)
        )
    )
    mutations = [
        f"{wild_type[i]}{i + first}{residue}"
        for i, residue in new.items()
        if residue != wild_type[i]
    ]
    builder = MutantSequenceBuilder(wild_type, first_position=first)
    [[sequence]] = builder.fit_transform([":".join(mutations)])
    assert {i: sequence[i] for i in new} == new
    [[code]] = builder.inverse_transform([sequence])
    assert set(code.split(":")) == set(mutations or ["WT"])
    assert builder.transform([code]).item() == sequence


def test_wild_types_may_hold_rare_residues():
    assert transform(["U2C"], wild_type="MUX").item() == "MCX"


def test_must_be_fitted_first():
    builder = MutantSequenceBuilder(WILD_TYPE)
    for method in (builder.transform, builder.inverse_transform):
        with pytest.raises(NotFittedError):
            method(["WT"])
    with pytest.raises(NotFittedError):
        builder.get_feature_names_out()


def test_clones_and_pickles_build_the_same():
    builder = MutantSequenceBuilder(WILD_TYPE, first_position=0, separator="+")
    expected = builder.fit_transform(["K1R+W7A"])
    copied = pickle.loads(pickle.dumps(builder))
    np.testing.assert_array_equal(copied.transform(["K1R+W7A"]), expected)
    fresh = clone(builder)
    assert fresh.get_params() == builder.get_params()
    np.testing.assert_array_equal(fresh.fit_transform(["K1R+W7A"]), expected)


def test_feature_names():
    frame = pd.DataFrame({"mutant": CODES}, index=list("abcdef"))
    builder = MutantSequenceBuilder(WILD_TYPE).fit(frame)
    assert builder.n_features_in_ == 1
    assert builder.feature_names_in_.tolist() == ["mutant"]
    assert builder.get_feature_names_out().tolist() == ["sequence"]
    assert builder.get_feature_names_out(["mutant"]).tolist() == ["sequence"]
    with pytest.raises(ValueError, match="input_features is not equal"):
        builder.get_feature_names_out(["code"])
    with pytest.raises(ValueError, match="feature names should match"):
        builder.transform(frame.rename(columns={"mutant": "code"}))


def test_set_output_gives_a_frame_with_the_index_kept():
    frame = pd.DataFrame({"mutant": CODES}, index=list("abcdef"))
    builder = MutantSequenceBuilder(WILD_TYPE).set_output(transform="pandas")
    output = builder.fit_transform(frame)
    assert output.columns.tolist() == ["sequence"]
    assert output.index.tolist() == list("abcdef")
    assert output["sequence"].tolist() == SEQUENCES


def composition(sequences):
    """Count residues, as a small stand-in for an embedding."""
    sequences = np.asarray(sequences, dtype=object).ravel()
    return np.array([[s.count(a) for a in AMINO_ACIDS] for s in sequences])


@pytest.mark.parametrize("output", ["default", "pandas"])
def test_lives_in_pipelines_and_searches(output):
    codes = np.array([f"{WILD_TYPE[i]}{i + 1}{a}" for i in range(8) for a in "ACDEF"])
    y = composition(transform(codes)) @ np.arange(20.0)
    builder = MutantSequenceBuilder(WILD_TYPE).set_output(transform=output)
    model = make_pipeline(builder, FunctionTransformer(composition), Ridge())
    search = GridSearchCV(model, {"ridge__alpha": [1e-6, 1e3]}, cv=3).fit(codes, y)
    assert search.best_params_ == {"ridge__alpha": 1e-6}
    assert search.score(codes, y) > 0.99


@pytest.mark.parametrize("column", ["mutant", ["mutant"]])
def test_lives_in_a_column_transformer(column):
    frame = pd.DataFrame({"mutant": CODES, "temperature": range(6)})
    transformer = ColumnTransformer(
        [("build", MutantSequenceBuilder(WILD_TYPE), column)], remainder="passthrough"
    )
    transformer.set_output(transform="pandas")
    output = transformer.fit_transform(frame)
    names = ["build__sequence", "remainder__temperature"]
    assert output.columns.tolist() == names
    assert output["build__sequence"].tolist() == SEQUENCES


def test_output_feeds_text_transformers():
    sequences = transform(CODES).ravel()
    counts = CountVectorizer(analyzer="char").fit_transform(sequences)
    assert counts.sum() == sum(map(len, SEQUENCES))


def test_a_hundred_thousand_codes_round_trip():
    rng = np.random.default_rng(0)
    wild_type = "".join(rng.choice(list(AMINO_ACIDS), 300))
    sites = np.sort(rng.integers(300, size=(100_000, 2)), axis=1)
    sites = sites[sites[:, 0] < sites[:, 1]]
    codes = [f"{wild_type[i]}{i + 1}A:{wild_type[j]}{j + 1}C" for i, j in sites]
    builder = MutantSequenceBuilder(wild_type)
    sequences = builder.fit_transform(codes)
    back = builder.inverse_transform(sequences)
    for i in range(0, len(codes), 997):
        real = [m for m in codes[i].split(":") if m[0] != m[-1]]
        assert back[i, 0] == (":".join(real) or "WT")


def test_real_variants(real_data):
    lines = real_data("beta_lactamase_P62593.fasta").read_text().split()
    codes = [header.split("|")[1].split("_")[1] for header in lines[::2]]
    sequences = lines[1::2]
    synonymous = [s for c, s in zip(codes, sequences, strict=True) if c[0] == c[-1]]
    wild_type = synonymous[0]
    built = transform(codes, wild_type=wild_type).ravel().tolist()
    assert built == sequences
