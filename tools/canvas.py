"""A picture to draw on: rectangles, other pictures and small letters; PNG."""
import struct
import zlib

# A font of 3x5 dots: five rows of three bits, from the top.
FONT = {
    " ": (0, 0, 0, 0, 0), "%": (5, 1, 2, 4, 5), ",": (0, 0, 0, 2, 4),
    "-": (0, 0, 7, 0, 0), ".": (0, 0, 0, 0, 2), "/": (1, 1, 2, 4, 4),
    "0": (7, 5, 5, 5, 7), "1": (2, 6, 2, 2, 7), "2": (7, 1, 7, 4, 7),
    "3": (7, 1, 3, 1, 7), "4": (5, 5, 7, 1, 1), "5": (7, 4, 7, 1, 7),
    "6": (7, 4, 7, 5, 7), "7": (7, 1, 2, 2, 2), "8": (7, 5, 7, 5, 7),
    "9": (7, 5, 7, 1, 7), ":": (0, 2, 0, 2, 0),
    "a": (0, 3, 5, 5, 3), "b": (4, 6, 5, 5, 6), "c": (0, 3, 4, 4, 3),
    "d": (1, 3, 5, 5, 3), "e": (0, 7, 7, 4, 3), "f": (3, 2, 7, 2, 2),
    "g": (3, 5, 3, 1, 6), "h": (4, 6, 5, 5, 5), "i": (2, 0, 2, 2, 2),
    "j": (1, 0, 1, 5, 2), "k": (4, 5, 6, 5, 5), "l": (6, 2, 2, 2, 3),
    "m": (0, 7, 7, 5, 5), "n": (0, 6, 5, 5, 5), "o": (0, 2, 5, 5, 2),
    "p": (6, 5, 5, 6, 4), "q": (3, 5, 5, 3, 1), "r": (0, 5, 6, 4, 4),
    "s": (3, 4, 2, 1, 6), "t": (2, 7, 2, 2, 1), "u": (0, 5, 5, 5, 3),
    "v": (0, 5, 5, 5, 2), "w": (0, 5, 5, 7, 7), "x": (0, 5, 2, 5, 5),
    "y": (5, 5, 3, 1, 6), "z": (0, 7, 1, 4, 7), "_": (0, 0, 0, 0, 7),
}
PAPER = bytes((24, 26, 30))
INK = bytes((210, 214, 220))


class Canvas:
    """Rows of pixels, RGB, from the top."""

    def __init__(self, width, height):
        self.width = width
        self.rows = [bytearray(PAPER * width) for _ in range(height)]

    def put(self, left, top, rows):
        """Another picture: rows of pixels."""
        for y, row in enumerate(rows, top):
            self.rows[y][3 * left:3 * (left + len(row))] = b"".join(row)

    def fill(self, left, top, width, height, color):
        for row in self.rows[top:top + height]:
            row[3 * left:3 * (left + width)] = color * width

    def write(self, left, top, text, scale=1, color=INK):
        """A letter is 3x5 dots of `scale` pixels, and a dot away from the next."""
        for column, letter in enumerate(text):
            for y, bits in enumerate(FONT[letter]):
                for x in range(3):
                    if bits & 4 >> x:
                        self.fill(left + (4 * column + x) * scale,
                                  top + y * scale, scale, scale, color)

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
