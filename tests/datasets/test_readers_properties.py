"""What was written is what is read, and a wrong line is the one that is named."""

import csv
import gzip
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from properties import examples

from skestimators.datasets import (
    read_dms,
    read_fasta,
    read_flare_table,
    read_interactions,
    read_kuka_records,
    read_robot_failures,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)
packed = st.booleans()
ends = st.sampled_from(["\n", "\r\n"])
# Letters of every script, and nothing that ends a line or a cell.
names = st.text(
    st.characters(categories=["Ll", "Lu", "Nd"]), min_size=1, max_size=8
).filter(lambda name: name.lower() not in {"nan", "na", "null", "none"})
WILD_TYPE = "MKVLADGWMKVLADGW"


def write(path, text, pack=False):
    content = text.encode()
    path.write_bytes(gzip.compress(content, 1) if pack else content)
    return path


def write_csv(path, rows, pack=False):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return write(path, path.read_text(encoding="utf-8"), pack)


@examples(40)
@given(st.data(), packed, ends, st.integers(1, 70), st.booleans())
def test_fasta(tmp_path, data, pack, end, width, star):
    record = st.tuples(names, numbers, st.text("ACDEFGHIKLMNPQRSTVWYX", min_size=1))
    records = data.draw(st.lists(record, min_size=1, max_size=5))
    lines = []
    for name, score, sequence in records:
        whole = sequence.lower() + "*" * star
        lines.append(f">{name} of a scan|{score!r}")
        lines += [whole[i : i + width] for i in range(0, len(whole), width)]
    path = write(tmp_path / "a.fasta", end.join(lines) + end, pack)
    found = read_fasta(path, score_field=-1)
    assert found["id"].tolist() == [name for name, *_ in records]
    assert found["score"].tolist() == [score for _, score, _ in records]
    assert found["sequence"].tolist() == [sequence for *_, sequence in records]


@st.composite
def mutants(draw):
    """Draw different mutants of the wild type, and their sequences."""
    places = st.integers(0, len(WILD_TYPE) - 1)
    new = st.dictionaries(places, st.sampled_from("CEFHI"), max_size=3)
    drawn = draw(
        st.lists(
            new, min_size=1, max_size=6, unique_by=lambda d: tuple(sorted(d.items()))
        )
    )
    codes, sequences = [], []
    for mutations in drawn:
        order = draw(st.permutations(sorted(mutations)))
        codes.append(":".join(f"{WILD_TYPE[i]}{i + 1}{mutations[i]}" for i in order))
        letters = [mutations.get(i, letter) for i, letter in enumerate(WILD_TYPE)]
        sequences.append("".join(letters))
    return codes, sequences


@examples(40)
@given(mutants(), st.data(), packed)
def test_scan(tmp_path, drawn, data, pack):
    codes, sequences = drawn
    scores = [data.draw(numbers) for _ in codes]
    rows = [("score", "note", "mutant"), *zip(scores, sequences, codes, strict=True)]
    path = write_csv(tmp_path / "a.csv", rows, pack)
    scan = read_dms(path, wild_type=WILD_TYPE)
    assert scan["mutant"].tolist() == codes
    assert scan["sequence"].tolist() == sequences
    assert scan["score"].tolist() == scores
    twice = write_csv(tmp_path / "b.csv", [*rows, *rows[1:]])
    means = read_dms(twice, wild_type=WILD_TYPE, duplicates="mean")["score"]
    np.testing.assert_allclose(means, scores, atol=np.finfo(float).tiny)


@st.composite
def answers(draw):
    """Draw students, each with the skills and the response of their answers."""
    skills = st.sets(st.integers(0, 300).map(str) | names, min_size=1, max_size=3)
    answer = st.tuples(skills, st.sampled_from([0, 1]))
    return draw(
        st.lists(st.lists(answer, min_size=1, max_size=5), min_size=1, max_size=5)
    )


@examples(40)
@given(answers(), packed, ends, st.randoms(use_true_random=False))
def test_answers_in_both_forms(tmp_path, students, pack, end, random):
    rows, lines = [("response", "skill", "student")], []
    for number, student in enumerate(students):
        cells = [("~".join(random.sample(sorted(s), len(s))), r) for s, r in student]
        rows += [(response, cell, number) for cell, response in cells]
        lines.append(str(len(cells)))
        lines += [",".join(str(pair[i]) for pair in cells) for i in (0, 1)]
    three = read_interactions(write(tmp_path / "3", end.join(lines) + end, pack))
    table = read_interactions(write_csv(tmp_path / "r", rows, pack))
    assert table.equals(three)
    assert three["response"].tolist() == [r for row in students for _, r in row]
    found = [set(cell.split("~")) for cell in three["skill"]]
    assert [len(one) for one in found] == [
        len({str(int(n)) if n.isascii() and n.isdecimal() else n for n in s})
        for row in students
        for s, _ in row
    ]


@examples(30)
@given(
    st.lists(
        st.tuples(names, st.lists(numbers, min_size=90, max_size=90)),
        min_size=1,
        max_size=3,
    ),
    packed,
    ends,
)
def test_robot_failures(tmp_path, drawn, pack, end):
    # A label of digits would be a number.
    assume(not any(re.fullmatch(r"\d+", name) for name, _ in drawn))
    lines = []
    for label, values in drawn:
        rows = np.reshape(values, (15, 6)).tolist()
        lines += [label, *("\t".join(map(repr, row)) for row in rows), ""]
    path = write(tmp_path / "lp1.data", end.join(lines), pack)
    X, y = read_robot_failures(path)
    assert y.tolist() == [label for label, _ in drawn]
    np.testing.assert_array_equal(X.reshape(len(y), -1), [v for _, v in drawn])


@examples(20)
@given(st.lists(st.tuples(st.integers(0, 9), numbers), min_size=1, max_size=5))
def test_arm_records(tmp_path, drawn):
    drawn.sort(key=lambda pair: pair[0])
    rows = [[time, 0, *[value] * 46] for time, value in drawn]
    text = "".join(" ".join(map(repr, row)) + "\n" for row in rows)
    write(tmp_path / "plate_-3_12_demoRecord.txt", "time ...\n" + text)
    records = read_kuka_records(tmp_path)
    assert set(records["key"]) == {"-3,12"}
    # pandas 2 reads some numbers as one beside them.
    tiny = np.finfo(float).tiny
    np.testing.assert_allclose(records.drop(columns="key"), rows, 1e-15, tiny)
    for form in ("feather", "parquet"):
        folder = tmp_path / form
        folder.mkdir(exist_ok=True)
        getattr(records, f"to_{form}")(folder / f"all.{form}")
        assert read_kuka_records(folder).equals(records)


@examples(40)
@given(st.data(), packed)
def test_flare_table(tmp_path, data, pack):
    flare = st.tuples(st.sampled_from("ABCMX"), st.integers(10, 99)).map(
        lambda pair: f"{pair[0]}{pair[1] / 10}"
    )
    row = st.tuples(st.integers(100, 999_999), names, st.just("0") | flare)
    rows = data.draw(st.lists(row, min_size=1, max_size=6, unique_by=lambda r: r[:2]))
    listed = [(f"{region}/{name}.png", size) for region, name, size in rows]
    path = write_csv(tmp_path / "a.csv", listed, pack)
    table = read_flare_table(path, min_flare="M1.0")
    assert table.groups.tolist() == [region for region, *_ in rows]
    assert table.labels.tolist() == [int(size[0] in "MX") for *_, size in rows]
    inside = read_flare_table(path, tmp_path)
    assert inside.paths.tolist() == [str(tmp_path / name) for name, _ in listed]


TABLES = {
    read_dms: ("mutant,score", lambda i: f"M1{'ACDEFGHIK'[i]},0.5", "M1A;0.5"),
    read_flare_table: ("filename,class", lambda i: f"11158/{i}.png,1", "11158/x.png,2"),
    read_interactions: ("student,skill,response", lambda i: f"{i},7,1", "1,7,maybe"),
    read_robot_failures: ("normal", lambda i: f"1 2 3 4 5 {i}", "1 2 3 4 5 six"),
}


@pytest.mark.parametrize("read", TABLES)
@examples(15)
@given(st.integers(0, 8), packed, ends)
def test_the_wrong_line_is_named(tmp_path, read, wrong, pack, end):
    head, line, bad = TABLES[read]
    lines = [head, *(line(i) for i in range(9))]
    lines[wrong + 1] = bad
    path = write(tmp_path / "table", end.join(lines) + end, pack)
    with pytest.raises(ValueError, match=rf"table, line {wrong + 2}\b"):
        read(path)
