"""A little terminal for tests: what is on its screen after some text, with colors, and the pictures that were sent."""

import base64
import io
import re

import numpy as np
from PIL import Image

_TOKENS = re.compile(
    r"\x1b_G(?P<kitty>[^\x1b]*)\x1b\\|\x1b\]1337;File=(?P<iterm>[^\a]*)\a|\x1bP(?P<sixel>[^\x1b]*)\x1b\\"
    r"|\x1b\[(?P<arguments>[?\d;]*)(?P<command>[A-Za-z])|\x1b(?P<cursor>[78])|(?P<character>[\s\S])"
)


def color_of_256(index):
    """The color of xterm's 256, from 16 on."""
    if index >= 232:
        return (8 + 10 * (index - 232),) * 3
    levels = (0, 95, 135, 175, 215, 255)
    index -= 16
    return levels[index // 36], levels[index // 6 % 6], levels[index % 6]


class Screen:
    """Takes text as a terminal does. `lines` has those that scrolled off, too."""

    def __init__(self, columns=80, rows=24):
        self.columns, self.rows = columns, rows
        self.cells, self.top, self.y, self.x = {}, 0, 0, 0
        self.colors, self.kept = (None, None), (0, 0)
        self.pictures, self._chunks, self.questions = [], {}, 0

    def feed(self, text):
        for token in _TOKENS.finditer(text):
            kind = token.lastgroup
            value = token[kind]
            if kind == "character":
                self._put(value)
            elif kind == "cursor":
                if value == "7":
                    self.kept = self.y, self.x
                else:
                    self.y, self.x = self.kept
            elif kind == "command":
                self._command(value, token["arguments"])
            else:
                getattr(self, f"_take_{kind}")(value)
        return self

    def _put(self, character):
        if character == "\r":
            self.x = 0
        elif character == "\n":
            self.y += 1
            self.top = max(self.top, self.y - self.rows + 1)
        elif character >= " ":
            if self.x >= self.columns:
                self.x = 0
                self._put("\n")
            self.cells[self.y, self.x] = (character, *self.colors)
            self.x += 1

    def _command(self, command, arguments):
        numbers = [int(part or 0) for part in arguments.lstrip("?").split(";")]
        if command == "A":
            self.y = max(self.top, self.y - max(1, numbers[0]))
        elif command == "B":
            self.y = min(self.top + self.rows - 1, self.y + max(1, numbers[0]))
        elif command in "JK":
            assert numbers == [0]
            for y, x in list(self.cells):
                if (y == self.y and x >= self.x) or (command == "J" and y > self.y):
                    del self.cells[y, x]
        elif command == "m":
            self._color(numbers)
        elif command == "c":
            self.questions += 1
        else:
            assert (command, arguments) in (("h", "?2026"), ("l", "?2026")), command

    def _color(self, numbers):
        if numbers == [0]:
            self.colors = None, None
        while numbers and numbers != [0]:
            place, kind, *numbers = numbers
            count = 3 if kind == 2 else 1
            color, numbers = tuple(numbers[:count]), numbers[count:]
            color = color if kind == 2 else color_of_256(*color)
            self.colors = (color, self.colors[1]) if place == 38 else (self.colors[0], color)

    def _take_kitty(self, text):
        facts, _, data = text.partition(";")
        facts = dict(part.split("=") for part in facts.split(","))
        if facts.get("a") == "d":
            self.pictures.append(("erased", int(facts["i"])))
            return
        assert len(data) <= 4096
        if "a" in facts:
            self._chunks = {**facts, "data": ""}
        self._chunks["data"] += data
        if facts["m"] == "0":
            picture = Image.open(io.BytesIO(base64.b64decode(self._chunks["data"], validate=True)))
            assert picture.format == "PNG"
            self.pictures.append((picture.convert("RGB"), self._chunks))

    def _take_iterm(self, text):
        facts, _, data = text.partition(":")
        facts = dict(part.split("=") for part in facts.split(";"))
        data = base64.b64decode(data, validate=True)
        assert int(facts["size"]) == len(data)
        self.pictures.append((Image.open(io.BytesIO(data)).convert("RGB"), facts))

    def _take_sixel(self, text):
        self.pictures.append((decoded_sixel(text), {}))

    @property
    def lines(self):
        last = max((y for y, _ in self.cells), default=-1)
        return ["".join(self.cells.get((y, x), " ")[0] for x in range(self.columns)).rstrip() for y in range(last + 1)]

    def pixels(self, top, rows, columns):
        """The colors of half-blocks, uint8 (2 × rows, columns, 3)."""
        made = np.zeros((2 * rows, columns, 3), np.uint8)
        for row in range(rows):
            for column in range(columns):
                character, above, below = self.cells[top + row, column]
                assert character == "▀"
                made[2 * row, column], made[2 * row + 1, column] = above, below
        return made


def decoded_sixel(text):
    """The picture of a sixel text between its introducer and its end."""
    found = re.match(r'[\d;]*q"1;1;(\d+);(\d+)', text)
    width, height = int(found[1]), int(found[2])
    made = np.zeros((height + 6, width, 3), np.uint8)
    is_set = np.zeros((height + 6, width), bool)
    palette, color, x, top = {}, None, 0, 0
    for token in re.finditer(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)([?-~])|([?-~])|(\$)|(-)", text[found.end() :]):
        if token[1]:
            color = int(token[1])
            if token[2]:
                palette[color] = [round(int(token[part]) * 2.55) for part in (2, 3, 4)]
        elif token[8]:
            x = 0
        elif token[9]:
            x, top = 0, top + 6
        else:
            count, bits = int(token[5] or 1), ord(token[6] or token[7]) - 63
            for bit in range(6):
                if bits >> bit & 1:
                    made[top + bit, x : x + count] = palette[color]
                    is_set[top + bit, x : x + count] = True
            x += count
    assert is_set[:height].all()
    assert not is_set[height:].any()
    return Image.fromarray(made[:height])
