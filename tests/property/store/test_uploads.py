"""However a file is cut into parts, in whatever order they come, break off and come again: the blob is the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from flyball.store import FileArtifacts


@settings(max_examples=30, deadline=None)
@given(data=st.data(), content=st.binary(max_size=2000), size=st.integers(1, 700))
def test_any_history_of_parts_joins_to_the_file(data: st.DataObject, content: bytes, size: int) -> None:
    parts = {1 + start // size: content[start : start + size] for start in range(0, len(content), size)}
    with tempfile.TemporaryDirectory() as folder:
        artifacts = FileArtifacts(Path(folder))
        uploads = artifacts.uploads
        upload = uploads.begin()
        acts = st.lists(st.tuples(st.sampled_from(sorted(parts) or [1]), st.sampled_from(("whole", "breaks", "wrong"))))
        etags: dict[int, str] = {}
        for number, act in data.draw(acts) if parts else []:
            _send(artifacts, upload, number, parts[number], act)
        for number in data.draw(st.permutations(sorted(parts))):
            etags[number] = _send(artifacts, upload, number, parts[number], "whole")
        assert list(artifacts.digests()) == []
        digest = uploads.join(upload, data.draw(st.sampled_from((etags, dict.fromkeys(etags)))))
        assert artifacts.read(digest) == content
        uploads.drop(upload)
        assert list((Path(folder) / "staging").iterdir()) == []


def _send(artifacts: FileArtifacts, upload: str, number: int, content: bytes, act: str) -> str:
    writer = artifacts.uploads.part(upload, number)
    try:
        writer.write(content[: len(content) // 2])
        if act == "breaks":
            return ""
        writer.write(b"other" if act == "wrong" else content[len(content) // 2 :])
        return writer.finish()
    finally:
        writer.abandon()
