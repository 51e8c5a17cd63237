#!/usr/bin/env -S python3 -B
"""Writes the pictures of a folder on one sheet with captions.

usage: contact_sheet.py SHEET.png FOLDER PREFIX...

Of FOLDER's pictures (PAM, RGB_ALPHA, as guest/programs/pictures writes them)
those whose names begin with one of the PREFIXes, a group each, by name. A picture
is shown as it is, or smaller if it does not fit its cell; alpha is ignored. The
caption is the name without the prefix.
"""
import pathlib
import sys

import canvas

CELL_WIDTH = 110
PICTURE_HEIGHT = 84
CAPTION_HEIGHT = 12
HEADING_HEIGHT = 8
MARGIN = 6
COLUMNS = 11


def read_pam(path):
    """The rows of a picture's pixels, RGB."""
    head, _, pixels = path.read_bytes().partition(b"ENDHDR\n")
    fields = dict(line.split(" ", 1) for line in head.decode().splitlines()[1:])
    width, height = int(fields["WIDTH"]), int(fields["HEIGHT"])
    if fields["TUPLTYPE"] != "RGB_ALPHA" or len(pixels) != 4 * width * height:
        sys.exit(f"{path}: it is not a PAM of RGB_ALPHA with all of its pixels")
    rows = [pixels[4 * width * y:4 * width * (y + 1)] for y in range(height)]
    return [[row[4 * x:4 * x + 3] for x in range(width)] for row in rows]


def fit(rows):
    """The picture with every nth pixel, so that it fits a cell."""
    step = max(-(-len(rows[0]) // CELL_WIDTH), -(-len(rows) // PICTURE_HEIGHT))
    return [row[::step] for row in rows[::step]]


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2])
    groups = {prefix: sorted(folder.glob(prefix + "*.pam"))
              for prefix in sys.argv[3:]}
    for prefix, paths in groups.items():
        if not paths:
            sys.exit(f"{folder}: there are no pictures {prefix}*.pam")
    step_x = CELL_WIDTH + MARGIN
    step_y = PICTURE_HEIGHT + CAPTION_HEIGHT + MARGIN
    heights = [HEADING_HEIGHT + -(-len(paths) // COLUMNS) * step_y
               for paths in groups.values()]
    sheet = canvas.Canvas(COLUMNS * step_x + MARGIN, sum(heights) + MARGIN)
    top = MARGIN
    for (prefix, paths), height in zip(groups.items(), heights):
        sheet.write(MARGIN, top, prefix.strip("-"))
        for i, path in enumerate(paths):
            left = MARGIN + i % COLUMNS * step_x
            bottom = top + HEADING_HEIGHT + i // COLUMNS * step_y + PICTURE_HEIGHT
            rows = fit(read_pam(path))
            sheet.put(left, bottom - len(rows), rows)
            sheet.write(left, bottom + 3,
                        path.stem[len(prefix):][:CELL_WIDTH // 4])
        top += height
    pathlib.Path(sys.argv[1]).write_bytes(sheet.png())


if __name__ == "__main__":
    main()
