"""Label images for the examples: equal colors pair a region of the lake with one of a painting."""

from __future__ import annotations

from PIL import Image, ImageDraw

SKY, LAND, WATER, NOTHING = (0, 0, 255), (255, 0, 0), (0, 160, 0), (0, 0, 0)
"""Colors of the regions. What is black has no style: the photo stays there, and a painting is not used."""

Outline = list[tuple[float, float]]

_RIDGE: Outline = [
    *((230, 205), (250, 186), (280, 215), (318, 258), (345, 246), (385, 262), (420, 250), (470, 222), (540, 168)),
    *((562, 164), (572, 190), (590, 145), (622, 132), (642, 160), (664, 136), (680, 140), (692, 80), (712, 68)),
    *((760, 125), (800, 178), (840, 205), (880, 240), (912, 236), (950, 262), (985, 246), (1030, 216), (1065, 234)),
    *((1120, 212), (1166, 182), (1206, 196), (1236, 240), (1280, 262)),
]
"""The upper edge of the mountains, from left to right, in pixels of a lake 1280 px wide."""

_LEFT_TREES: Outline = [
    *((0, 0), (134, 0), (144, 44), (130, 100), (150, 108), (176, 112), (192, 56), (206, 112), (222, 188), (236, 206)),
    *((252, 296), (266, 284), (276, 320), (296, 272), (312, 350), (342, 500)),
    *((388, 526), (330, 560), (250, 600), (160, 660), (100, 684), (20, 722), (0, 750)),
]
_RIGHT_SHORE: Outline = [
    *((1280, 566), (1170, 570), (960, 570), (740, 566), (670, 552), (680, 534), (764, 530), (776, 466), (792, 520)),
    *((826, 412), (842, 470), (858, 368), (874, 460), (940, 414), (968, 420), (1010, 214), (1044, 330), (1066, 308)),
    *((1096, 298), (1130, 420), (1170, 230), (1196, 290), (1208, 236), (1240, 268), (1264, 262), (1280, 300)),
]
_BOAT: Outline = [(440, 618), (480, 626), (652, 638), (650, 712), (560, 712), (442, 706)]

_CYPRESSES: list[Outline] = [
    [
        *((190, 62), (216, 130), (206, 190), (238, 330), (226, 400), (256, 500), (250, 610), (264, 700), (272, 816)),
        *((84, 816), (126, 690), (106, 540), (150, 430), (166, 330), (158, 250), (176, 180), (166, 120)),
    ],
    [
        *((305, 404), (336, 470), (326, 500), (346, 600), (350, 690), (370, 816)),
        *((274, 816), (286, 690), (276, 580), (300, 500)),
    ],
]
"""The two trees of the swirls, in pixels."""


def lakeside() -> Image.Image:
    """Return the regions of the lake."""
    image = Image.new("RGB", (1280, 854), WATER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 1280, 492), fill=LAND)
    draw.polygon([(0, 0), (0, 230), *_RIDGE, (1280, 0)], fill=SKY)
    for outline in (_LEFT_TREES, _RIGHT_SHORE, _BOAT):
        draw.polygon(outline, fill=NOTHING)
    return image


def swirls() -> Image.Image:
    """Return the regions of the swirls: sky and fields, without the cypresses between them."""
    image = Image.new("RGB", (1024, 816), SKY)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 610, 1024, 816), fill=LAND)
    for outline in _CYPRESSES:
        draw.polygon(outline, fill=NOTHING)
    return image


def woodcut() -> Image.Image:
    """Return the one region of the woodcut."""
    return Image.new("RGB", (1024, 780), WATER)
