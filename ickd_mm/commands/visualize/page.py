"""A self-contained HTML page of pictures."""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1400px;margin:1rem auto;padding:0 1rem}
figure{margin:0 0 2rem}figcaption{font-weight:600}img{max-width:100%;height:auto}"""
ABOUT = """A feature map has channels, and each is strong at some places of an image and weak at
others. These matrices say for every two channels whether they are strong at the same places (red),
at unrelated ones (white), or one where the other is weak (blue). Distillation by inter-channel
correlation teaches the student the teacher's matrix. The order of the channels is the same in all
panels: the teacher's channels that agree are neighbours, so they show as blocks on the diagonal."""


def write_page(file: Path, title: str, pictures: list[tuple[str, Path]]) -> Path:
    """Write one page that holds PNG files; nothing else is needed to read it.

    Args:
        file: the page.
        title: its heading.
        pictures: caption and file of each.
    """
    figures = []
    for caption, picture in pictures:
        data = base64.b64encode(picture.read_bytes()).decode()
        text = escape(caption)
        figures.append(
            f'<figure><figcaption>{text}</figcaption>'
            f'<img alt="{text}" src="data:image/png;base64,{data}"></figure>'
        )
    file.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><style>{STYLE}</style>'
        f'<h1>{escape(title)}</h1><p>{ABOUT}</p>{"".join(figures)}</html>\n',
        encoding='utf-8',
    )
    return file
