#!/usr/bin/env python3
"""Writes the pictures of a folder on one sheet with captions.

usage: contact_sheet.py SHEET.png FOLDER PREFIX...

Of FOLDER's pictures (PAM, RGB_ALPHA, as guest/programs/pictures writes them)
those whose names begin with one of the PREFIXes, a group each, by name. A picture
is shown as it is, or smaller if it does not fit its cell; alpha is ignored. The
caption is the name without the prefix.
"""
import pathlib
import struct
import sys
import zlib

CELL_WIDTH = 110
PICTURE_HEIGHT = 84
CAPTION_HEIGHT = 12
HEADING_HEIGHT = 8
MARGIN = 6
COLUMNS = 11
PAPER = bytes((24, 26, 30))
INK = (210, 214, 220)

# A font of 3x5 dots: five rows of three bits, from the top.
FONT = {
    "-": (0, 0, 7, 0, 0), "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7),
    "2": (7, 1, 7, 4, 7), "3": (7, 1, 3, 1, 7), "4": (5, 5, 7, 1, 1),
    "5": (7, 4, 7, 1, 7), "6": (7, 4, 7, 5, 7), "7": (7, 1, 2, 2, 2),
    "8": (7, 5, 7, 5, 7), "9": (7, 5, 7, 1, 7), "a": (0, 3, 5, 5, 3),
    "b": (4, 6, 5, 5, 6), "c": (0, 3, 4, 4, 3), "d": (1, 3, 5, 5, 3),
    "e": (0, 7, 7, 4, 3), "f": (3, 2, 7, 2, 2), "g": (3, 5, 3, 1, 6),
    "h": (4, 6, 5, 5, 5), "i": (2, 0, 2, 2, 2), "j": (1, 0, 1, 5, 2),
    "k": (4, 5, 6, 5, 5), "l": (6, 2, 2, 2, 3), "m": (0, 7, 7, 5, 5),
    "n": (0, 6, 5, 5, 5), "o": (0, 2, 5, 5, 2), "p": (6, 5, 5, 6, 4),
    "q": (3, 5, 5, 3, 1), "r": (0, 5, 6, 4, 4), "s": (3, 4, 2, 1, 6),
    "t": (2, 7, 2, 2, 1), "u": (0, 5, 5, 5, 3), "v": (0, 5, 5, 5, 2),
    "w": (0, 5, 5, 7, 7), "x": (0, 5, 2, 5, 5), "y": (5, 5, 3, 1, 6),
    "z": (0, 7, 1, 4, 7), "_": (0, 0, 0, 0, 7),
}


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


class Sheet:
    def __init__(self, width, height):
        self.width = width
        self.rows = [bytearray(PAPER * width) for _ in range(height)]

    def put(self, left, top, rows):
        for y, row in enumerate(rows, top):
            self.rows[y][3 * left:3 * (left + len(row))] = b"".join(row)

    def write(self, left, top, text):
        for column, letter in enumerate(text):
            for y, bits in enumerate(FONT[letter], top):
                for x in range(3):
                    if bits & 4 >> x:
                        at = 3 * (left + 4 * column + x)
                        self.rows[y][at:at + 3] = bytes(INK)

    def png(self):
        def chunk(kind, data):
            return (struct.pack(">I", len(data)) + kind + data +
                    struct.pack(">I", zlib.crc32(kind + data)))

        # 8 bits a channel, RGB. Each row begins with its filter, 2: the
        # difference to the row above.
        header = struct.pack(">IIBBBBB", self.width, len(self.rows), 8, 2, 0, 0, 0)
        above = [bytes(3 * self.width)] + self.rows
        pixels = zlib.compress(b"".join(
            b"\2" + bytes((a - b) & 255 for a, b in zip(row, before))
            for row, before in zip(self.rows, above)), 9)
        return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
                chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


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
    sheet = Sheet(COLUMNS * step_x + MARGIN, sum(heights) + MARGIN)
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
