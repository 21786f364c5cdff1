import dataclasses
import pickle

import pytest

from neural_style.config import serialize
from neural_style.config.config import Config
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.errors import UsageError


def config(data=b"bytes of a file", name="standard input", **options):
    picture = EncodedPicture(data, name, "stdin")
    return Config(**{"content": picture, "styles": [picture], "init": picture, **options})


def test_configurations_are_compared_by_the_bytes_of_their_pictures():
    assert config() == config(name="another")
    assert hash(config()) == hash(config())
    assert config() != config(data=b"others")
    assert config() != config(content="standard input")
    assert serialize.digest(config()) == serialize.digest(config(name="another")) != serialize.digest(config(b"others"))


def test_it_stands_for_a_picture_and_stays_as_it_is():
    made = config()
    assert made.styles == (made.content,)
    assert made.start == "picture"
    assert pickle.loads(pickle.dumps(made)) == made
    assert dataclasses.replace(made, width=64).content is made.content


def test_messages_do_not_hold_its_bytes():
    assert "bytes of a file" not in repr(config())


def test_json_cannot_hold_it():
    with pytest.raises(UsageError, match=r"^content: expected a path, got a picture in memory"):
        serialize.to_json(config())
