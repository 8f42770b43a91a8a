"""Answers of students in the formats that people have them in."""

import gzip
import re

import numpy as np
import pandas as pd
import pytest

from skestimators.datasets import read_interactions

HEADER_2009 = "order_id,user_id,original,correct,skill_id,skill_name\n"
HEADER_2012 = "problem_log_id,skill,user_id,start_time,correct,actions,skill_id\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="answers.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def rows(frame):
    return list(frame.itertuples(index=False, name=None))


def test_three_lines(write):
    frame = read_interactions(write("2\n7,12.0,\n1,0,\n0\n\n\n\n1,\n31~12,\n1,\n"))
    assert rows(frame) == [(0, "7", 1), (0, "12", 0), (2, "12~31", 1)]
    assert list(frame) == ["student", "skill", "response"]
    assert frame.dtypes[["student", "response"]].tolist() == [np.int64, np.int64]


def test_real_three_lines(real_data):
    frame = read_interactions(real_data("assist2009_updated_train.csv"))
    sizes = frame.groupby("student").size()
    assert (sizes >= 2).sum() == 2831
    assert frame["skill"].nunique() == 110
    assert sizes[0] == 64
    assert frame["skill"][:64].value_counts()["68"] == 7
    assert frame["response"][:5].tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("separator", [",", "\t", " ", "   "])
@pytest.mark.parametrize("header", [(), ("user_id", "skill_id", "correct")])
def test_rows(write, separator, header):
    lines = [header, ("ann", "3", "1"), ("bob", "10~9", "0"), ("ann", "4", "1")]
    text = "".join(separator.join(line) + "\r\n" for line in lines)
    expected = [("ann", "3", 1), ("bob", "9~10", 0), ("ann", "4", 1)]
    assert rows(read_interactions(write(text))) == expected


def test_columns_of_rows_go_by_name(write):
    text = "Correct,extra,Skill,Student\n1,?,add,5.0\n0,?,sub,7\n"
    assert rows(read_interactions(write(text))) == [(5, "add", 1), (7, "sub", 0)]


def test_what_pandas_writes_is_read(write, tmp_path):
    frame = pd.DataFrame(
        {"student": ["a", "b"], "skill": ["1~x", "b"], "response": [1, np.nan]}
    )
    frame.to_csv(tmp_path / "frame.csv")
    read = read_interactions(tmp_path / "frame.csv")
    pd.testing.assert_frame_equal(read, frame.astype({"student": str, "skill": str}))


def test_skills_of_one_answer_are_one_row_in_2009(write):
    """Rows of their own would tell the answer; repeated rows are one answer, too."""
    text = HEADER_2009 + (
        "30,8,1,0,12,a\n"
        "10,9,1,1,31,b\n10,9,1,1,4,c\n10,9,1,1,4,c\n"
        "20,9,1,0,,\n20,9,1,0,5.0,d\n"
        "25,8,1,1,31_4_31,e\n"
        "10,8,1,1,1,f\n"
    )
    expected = [
        (8, "1", 1),
        (8, "4~31", 1),
        (8, "12", 0),
        (9, "4~31", 1),
        (9, "5", 0),
    ]
    assert rows(read_interactions(write(text))) == expected


def test_2012_is_ordered_by_the_clock_and_has_quoted_line_ends(write):
    text = HEADER_2012 + (
        '3,add,1,2012-09-28 15:11:27,1.0,"--- \n- ""x"", 1\n",54.0\n'
        '2,sub,1,2012-09-28 15:11:27,0.0,"",55\n'
        '1,mul,1,2012-09-28 15:11:27.5,1.0,"",56\n'
    )
    assert rows(read_interactions(write(text))) == [(1, "55", 0), (1, "54", 1)] + [
        (1, "56", 1)
    ]
    named = text.replace(",skill_id\n", ",other\n")
    assert read_interactions(write(named))["skill"].tolist() == ["sub", "add", "mul"]


def test_2015_is_ordered_by_log(write):
    text = "user_id,log_id,sequence_id,correct\n5,90,7014,1\n5,10,7,0\n4,1,8,1\n"
    assert rows(read_interactions(write(text))) == [(5, "7", 0), (5, "7014", 1)] + [
        (4, "8", 1)
    ]


@pytest.mark.parametrize(
    ("fractional", "expected"),
    [("round", [1, 1, 0, 0]), ("wrong", [1, 0, 0, 0]), ("drop", [1, 0])],
)
def test_fractional_responses(write, fractional, expected):
    path = write("1 a 1\n1 b .5\n1 c 0.25\n1 d 0\n")
    read = read_interactions(path, fractional=fractional)
    assert read["response"].tolist() == expected
    message = rf"{re.escape(str(path))}, line 2: .*2 of 4.*fractional='round'"
    with pytest.raises(ValueError, match=message):
        read_interactions(path)


def test_line_of_an_error_counts_quoted_line_ends(write):
    text = HEADER_2012 + (
        '1,a,1,2012-09-28 15:11:27,1,"one\n\ntwo",5\n\n'
        '2,a,1,2012-09-28 15:11:28,0.5,"",5\n'
    )
    with pytest.raises(ValueError, match=r"line 6: response 0\.5"):
        read_interactions(write(text))


def test_line_of_an_error_skips_lines_of_blanks(write):
    with pytest.raises(ValueError, match=r"line 4: response 'x'"):
        read_interactions(write("student,skill,response\n  \n1,a,1\n1,a,x\n"))


def test_quotes_within_a_cell_are_text(write):
    text = 'student,skill,response\n1,5" pipe,1\n1,3,\n'
    assert read_interactions(write(text))["skill"].tolist() == ['5" pipe', "3"]
    text = '1,5" pipe,1\n1,b,1\n1,6" pipe,1\n1,c,7\n'
    with pytest.raises(ValueError, match=r"line 4: response '7'"):
        read_interactions(write(text))
    with pytest.raises(ValueError, match=r"line 3: response '7'"):
        read_interactions(write('1 "a b" 1\n1\ta"  \t1 \n1 c 7\n'))


def test_only_what_programs_write_is_missing(write):
    text = "student,skill,response\nNa,Na,1\nNa,Na~Cl,NA\nNull,none,N/A\nBo,NULL,1\n"
    frame = read_interactions(write(text), missing_skill="drop")
    assert frame["student"].tolist() == ["Na", "Na", "Null"]
    assert frame["skill"].tolist() == ["Na", "Cl~Na", "none"]
    assert frame["response"].isna().tolist() == [False, True, True]


def test_last_comma_of_the_names(write):
    for end in ("", ","):
        text = f"student,skill,response,\n1,a,1{end}\n2,b,0{end}\n"
        assert rows(read_interactions(write(text))) == [(1, "a", 1), (2, "b", 0)]
    assert read_interactions(write("1,a,\n1,b,1\n"))["response"].isna()[0]


def test_names_that_start_with_a_tab(write, tmp_path):
    frame = pd.DataFrame({"student": [1, 2], "skill": ["a", "b"], "response": [1, 0]})
    frame.to_csv(tmp_path / "frame.tsv", sep="\t")
    assert rows(read_interactions(tmp_path / "frame.tsv")) == rows(frame)


def test_known_response_of_an_interaction_counts(write):
    text = HEADER_2009 + "5,2,1,,3,a\n5,2,1,1,4,b\n5,2,1,nan,6,c\n7,2,1,,3,a\n"
    frame = read_interactions(write(text))
    assert frame["skill"].tolist() == ["3~4~6", "3"]
    np.testing.assert_array_equal(frame["response"], [1, np.nan])


def test_clocks_of_several_time_zones(write):
    text = HEADER_2012 + (
        '1,a,1,2012-09-28T15:00:00Z,1,"",5\n'
        '2,a,1,2012-09-28T16:00:00+02:00,0,"",6\n'
        '3,a,1,2012-09-28T14:30:00+00:00,0,"",7\n'
    )
    assert read_interactions(write(text))["skill"].tolist() == ["6", "7", "5"]


def test_whole_numbers_have_one_name(write):
    text = "1e+16,1e+16,1\n10000000000000000,-0.0,1\n10000000000000000.0,0~1.0,1\n"
    expected = [(10**16, "10000000000000000", 1), (10**16, "0", 1), (10**16, "0~1", 1)]
    assert rows(read_interactions(write(text))) == expected


def test_unknown_responses_are_nan(write):
    frame = read_interactions(write("student,skill,response\n1,a,1\n1,b,\n1,c,NaN\n"))
    assert frame["response"].dtype == np.float64
    assert frame["response"].isna().tolist() == [False, True, True]


def test_without_skill(write):
    path = write(HEADER_2009 + "1,8,1,1,,\n2,8,1,0,7,a\n3,8,1,0,NA,\n")
    with pytest.warns(UserWarning, match="2 of 3 interactions have no skill"):
        assert rows(read_interactions(path)) == [(8, "7", 0)]
    assert rows(read_interactions(path, missing_skill="drop")) == [(8, "7", 0)]
    with pytest.raises(ValueError, match=r"line 2: no skill; 2 of 3"):
        read_interactions(path, missing_skill="error")


def test_text_that_is_not_utf8_is_latin1(write):
    text = "1 caf\xe9 1\n"
    expected = [(1, "caf\xe9", 1)]
    assert rows(read_interactions(write(text.encode("latin-1")))) == expected
    assert rows(read_interactions(write(text.encode("utf-8-sig")))) == expected
    blocks = "1\ncaf\xe9\n1\n"
    assert read_interactions(write(blocks.encode()))["skill"][0] == "caf\xe9"
    assert read_interactions(write(blocks.encode("latin-1")))["skill"][0] == "caf\xe9"


def test_gzip(write):
    for text in ["2\n7,12\n1,0\n", "0,7,1\n0,12,0\n"]:
        path = write(gzip.compress(text.encode()), "answers.csv")
        assert rows(read_interactions(path)) == [(0, "7", 1), (0, "12", 0)]
    with pytest.raises(ValueError, match="damaged gzip"):
        read_interactions(write(gzip.compress(b"0,7,1\n" * 99)[:-9]))


def test_ids_keep_their_digits(write):
    """Parsed as numbers, these two would be one student."""
    ids = ["76561198000000000001", "76561198000000000002"]
    text = "".join(f"{student},007,1\n" for student in ids)
    frame = read_interactions(write(text))
    assert frame["student"].tolist() == ids
    assert frame["skill"].tolist() == ["007", "007"]


BAD = {
    "empty": ("", "no interactions"),
    "blank": ("\n \n", "no interactions"),
    "only names": ("student,skill,response\n", "no interactions"),
    "no answers": ("0\n\n\n", "no interactions"),
    "too few skills": ("3\n1,2\n1,0,1\n", "line 2: 2 skills, .* 3 answers"),
    "too many responses": ("1\n1\n1,0\n", "line 3: 2 responses, .* 1 answers"),
    "no count": ("1\n4\n1\nx\n1\n1\n", "line 4: .* number of answers"),
    "cut after skills": ("1\n4\n1\n1\n4", "line 6: the responses .* cut"),
    "word": ("2\n4,4\n1,yes\n", "line 3: response 'yes' is no number"),
    "above 1": ("1 a 1\n1 a 2\n", "line 2: response '2' is no number"),
    "infinite": ("1 a 1\n1 a inf\n", "line 2: response 'inf' is no number"),
    "no student": (",a,1\n", "line 1: no student"),
    "missing student": ("1,a,1\nNA,a,1\n", "line 2: no student, but 'NA'"),
    "missing part": ("1,a,1\n1,a~NaN,1\n", "line 2: one of .* 'a~NaN' is missing"),
    "empty part": ("1,a~,1\n", "line 1: one of .* 'a~' is missing"),
    "two responses": ("user,skill,correct,Correct\n1,1,1,0\n", "2 .* named 'correct'"),
    "two times": (
        HEADER_2009.replace("original", "order_id") + "5,2,1,0,3,a\n",
        "2 columns are named 'order_id'",
    ),
    "all long": ("student,skill,correct\n1,2,1,0\n1,2,1,0\n", "line 2: 4 values"),
    "return": ("2\r7,12\r1,0\r", "line 1: .*line feed"),
    "return below": ("1,2,1\n1,2,1\r1,2,\n", "line 2: .*line feed"),
    "columns": ("student,topic,correct\n1,2,3\n", "no column 'skill'.*'topic'"),
    "no names": ("a,b,c\nd,e,f\n", "no column 'student'.*'a', 'b', 'c'"),
    "four cells": ("1,2,3,1\n", "line 1: 4 columns"),
    "long line": ("1,2,1\n1,2,0,1\n", "line 2: 4 values, .* 3 columns"),
    "short line": ("1,2,1\n1,2\n1,2,1\n", "line 2: 2 values, .* 3 columns"),
    "short export": (HEADER_2009 + "1,2,1\n", "line 2: 3 values, .* 6 columns"),
    "cut export": (HEADER_2009 + "1,2,1,0,3,a\n2,2,1,0,3", "line 3: 5 values"),
    "open quote": (HEADER_2009 + '1,2,1,0,3,"a\n2,2,1,', "line 2: a quote"),
    "no order": (HEADER_2009 + "1,2,1,0,3,a\n,2,1,0,3,a\n", "line 3: order_id is ''"),
    "no date": (HEADER_2012 + "1,a,2,noon,0,,3\n", "line 2: start_time is 'noon'"),
    "two answers": (
        HEADER_2009 + "5,2,1,0,3,a\n5,2,1,1,4,a\n",
        "line 3: response 1, but 0 in .*line 2",
    ),
    "binary": (b"\x00\x01\x02\n", "line 1: not text"),
    "zip": (b"PK\x03\x04\x00", "zip archive"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_errors_name_file_and_line(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=f"{re.escape(str(path))}.*{message}"):
        read_interactions(path)


def test_format_that_is_not_the_files(write):
    path = write("1 2 1\n")
    with pytest.raises(ValueError, match="line 1: the first of the three lines"):
        read_interactions(path, format="three-line")
    with pytest.raises(ValueError, match="line 1: format 'assistments2009' starts"):
        read_interactions(path, format="assistments2009")
    with pytest.raises(ValueError, match="format"):
        read_interactions(path, format="csv")
    named = write("student,user_id,skill_id,correct\n1,1,1,1\n")
    with pytest.raises(ValueError, match=r"'order_id'.*'student'"):
        read_interactions(named, format="assistments2009")
