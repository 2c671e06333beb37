"""Images of items: found wherever they are, drawn only if they are what a browser may draw."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.serve.web import image_files
from projector.serve.web.images import Image, images_of, kind_of

PNG = b"\x89PNG\r\n\x1a\n and more"
TEXT = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{TEXT}"
SVG = b"<svg onload='alert(1)'/>"


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"type": "userMessage", "content": [{"type": "image", "url": URL}]}, [Image(data=TEXT)]),
        ({"type": "userMessage", "content": [{"type": "localImage", "path": "/a.png"}]},
         [Image(path="/a.png")]),
        ({"type": "userMessage", "content": [{"type": "image", "url": "https://evil.example/p"}]},
         []),
        ({"type": "imageView", "path": "/b.png"}, [Image(path="/b.png")]),
        ({"type": "imageGeneration", "result": TEXT}, [Image(data=TEXT)]),
        ({"type": "imageGeneration", "result": TEXT, "savedPath": "/c"}, [Image(path="/c")]),
        ({"type": "mcpToolCall", "result": {"content": [
            {"type": "text", "text": "x"}, {"type": "image", "data": TEXT}]}}, [Image(data=TEXT)]),
        ({"type": "dynamicToolCall", "contentItems": [{"type": "inputImage", "imageUrl": URL}]},
         [Image(data=TEXT)]),
        ({"type": "imageView"}, []),
        ({"type": "imageView", "path": 3}, []),
        ([URL], [Image(data=TEXT)]),
    ],
)  # fmt: skip
def test_images_of(item: Any, found: list[Image]) -> None:
    assert images_of(json.dumps(item)) == found


@given(text=st.text())
def test_whatever_is_stored_is_no_error(text: str) -> None:
    images_of(f'{{"image{text}')
    image_files.drawable(Image(data=text))
    image_files.drawable(Image(path=f"/{text}"))


@pytest.mark.parametrize(
    ("head", "kind"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0", "image/jpeg"), (b"GIF89a", "image/gif"),
     (b"RIFF\n\0\0\0WEBPVP8 ", "image/webp"), (SVG, None), (b"", None), (b"%PDF-", None)],
)  # fmt: skip
def test_the_bytes_say_what_it_is(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_files_are_sent_only_if_they_are_images(tmp_path: Path) -> None:
    """Whatever a rollout names: gone, folder, pipe, text called .png, SVG, too large."""
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(b"root:x:0:0")
    (tmp_path / "a.svg").write_bytes(SVG)
    os.mkfifo(tmp_path / "pipe.png")
    with (tmp_path / "large.png").open("wb") as file:
        file.write(PNG)
        file.truncate(33 << 20)

    def read(name: str) -> object:
        return image_files.read(Image(path=name))

    assert read(f"{tmp_path}/a.png") == ("image/png", PNG)
    for name in ("secret.png", "a.svg", "pipe.png", "large.png", "gone.png", ".", "a\0b"):
        assert read(f"{tmp_path}/{name}") is None, name
        assert not image_files.drawable(Image(path=f"{tmp_path}/{name}"))
    assert read(os.path.relpath(tmp_path / "a.png")) is None, "of which folder?"
    assert image_files.read(Image(data=TEXT)) == ("image/png", PNG)
    assert image_files.read(Image(data=base64.b64encode(SVG).decode())) is None
