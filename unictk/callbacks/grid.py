"""One picture of many: rows of images under a caption."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

_GAP = 6
_CAPTION = 20


def captioned_grid(rows: Sequence[tuple[str, Sequence[PILImage.Image]]], cell: int = 192) -> PILImage.Image:
    """An RGB sheet: a line of text above each row of pictures, which are at most ``cell`` pixels a side.

    A caption too long for the sheet is cut with an ellipsis.
    """
    columns = max(len(pictures) for _, pictures in rows)
    width = max(columns, 2) * (cell + _GAP) + _GAP
    row_height = _CAPTION + cell + _GAP
    sheet = PILImage.new("RGB", (width, len(rows) * row_height + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=13)
    for index, (caption, pictures) in enumerate(rows):
        top = _GAP + index * row_height
        draw.text((_GAP, top), _cut(caption, width - 2 * _GAP, draw, font), fill="black", font=font)
        for column, picture in enumerate(pictures):
            small = picture.convert("RGB")
            small.thumbnail((cell, cell))
            sheet.paste(small, (_GAP + column * (cell + _GAP), top + _CAPTION))
    return sheet


def _cut(
    text: str,
    width: int,
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> str:
    line = " ".join(text.split())
    if draw.textlength(line, font=font) <= width:
        return line
    while line and draw.textlength(line + "…", font=font) > width:
        line = line[:-1]
    return line + "…"
