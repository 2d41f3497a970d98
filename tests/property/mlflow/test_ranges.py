"""What is asked of a file by range is what a slice gives, and never leaves the file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flyball.mlflow.ranges import asked_span

numbers = st.integers(0, 40)


@given(size=numbers, first=numbers, last=numbers)
def test_a_range_is_the_slice(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    span = asked_span({"range": f"bytes={first}-{last}"}, size, '"x"')
    if last < first:
        assert span is not None
        assert not span.partial
    elif first >= size:
        assert span is None
    else:
        assert span is not None
        assert content[span.start : span.stop] == content[first : last + 1]
        assert span.partial


@given(size=numbers, count=numbers)
def test_an_open_range_and_one_from_the_end(size: int, count: int) -> None:
    content = bytes(range(size))
    rest = asked_span({"range": f"bytes={count}-"}, size, '"x"')
    assert (b"" if rest is None else content[rest.start : rest.stop]) == content[count:]
    tail = asked_span({"range": f"bytes=-{count}"}, size, '"x"')
    assert (b"" if tail is None else content[tail.start : tail.stop]) == (content[-count:] if count else b"")


@given(size=numbers, text=st.text(max_size=30), condition=st.sampled_from(['"x"', '"y"', "W/x"]))
def test_whatever_is_sent_the_answer_lies_within_the_file(size: int, text: str, condition: str) -> None:
    for sent in (text, f"bytes={text}", "bytes=1-2,4-5"):
        span = asked_span({"range": sent, "if-range": condition}, size, '"x"')
        assert span is None or 0 <= span.start <= span.stop <= size == span.size
        assert condition == '"x"' or (span is not None and not span.partial)
