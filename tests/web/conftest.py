"""What tests of the page share."""

import itertools

import pytest
from PIL import Image

from neural_style.runs.stylizer import Stylizer
from neural_style.web.handlers import Desk
from neural_style.web.jobs import Painter
from neural_style.web.options import Served
from neural_style.web.visitors import Visitors, new_token

pytest.importorskip("gradio")


@pytest.fixture(scope="session")
def stylizer():
    """What runs share; tests share its traced graphs."""
    return Stylizer("builtin", precision="float32")


@pytest.fixture
def desk(tmp_path, stylizer):
    """A desk whose painter works."""
    painter = Painter(lambda: stylizer, 10)
    painter.start()
    yield Desk(Served(weights="builtin"), Visitors(tmp_path / "files"), painter)
    painter.close()


@pytest.fixture
def visitor(desk):
    """Somebody at the desk."""
    return desk.visitors.of(new_token())


@pytest.fixture
def send(visitor):
    """Sends the visitor's pictures."""
    colors = itertools.cycle([(200, 80, 40), (40, 120, 200), (90, 180, 60)])

    def send(name, size=(160, 120)):
        path = visitor.new_file(name)
        image = Image.linear_gradient("L").resize(size)
        Image.merge("RGB", [image.point(lambda value, top=top: value * top // 255) for top in next(colors)]).save(path)
        visitor.uploads[str(path)] = 1
        return str(path)

    return send
