"""Any bytes are read or refused by name, whatever the format."""

import pytest
from fuzz.all_targets import TARGETS
from fuzz.target import try_input
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

_places = st.floats(0, 1, exclude_max=True)


@st.composite
def _damaged(draw, seeds, words):
    """Draw a file that was cut, written over or spliced, or is any bytes at all."""
    content = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 3))):
        start, stop = sorted(int(draw(_places) * len(content)) for _ in range(2))
        match draw(st.integers(0, 3)):
            case 0:
                content = content[:start]
            case 1:
                content = content[:start] + content[stop:]
            case 2:
                new = draw(st.binary(min_size=1, max_size=4) | st.sampled_from(words))
                content = content[:start] + new + content[start + len(new) :]
            case 3:
                content = content[:stop] + content[start:]
        content = content or draw(st.binary(max_size=40))
    return content


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused_by_name(name, tmp_path):
    target = TARGETS[name]
    words = target.dictionary or (b"\0",)

    @examples(20)
    @given(_damaged(target.seeds(), words))
    def check(content):
        # Raises what is no refusal: other errors, warnings, and messages without path.
        try_input(target, content, tmp_path)

    check()
