import pytest

from skestimators.preprocessing import MutantSequenceBuilder, single_substitutions


def test_every_single_substitution_is_there_once():
    wild_type = "MKTAYIAKQR"
    codes = single_substitutions(wild_type)
    sequences = MutantSequenceBuilder(wild_type).fit(codes).transform(codes)[:, 0]
    assert len(set(sequences)) == len(codes) == 19 * len(wild_type)
    for sequence in sequences:
        assert sum(a != b for a, b in zip(sequence, wild_type, strict=True)) == 1


def test_first_position():
    assert single_substitutions("MK", first_position=0)[0] == "M0A"


@pytest.mark.parametrize("bad", ["", "MKt", "MK*"])
def test_bad_wild_type(bad):
    with pytest.raises(ValueError, match="wild_type"):
        single_substitutions(bad)
