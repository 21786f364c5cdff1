import dataclasses
import json
import os
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from neural_style.config import serialize
from neural_style.config.config import OPTIONS, Config
from neural_style.config.resolve import resolve
from neural_style.config.serialize import digest, from_json, to_json
from neural_style.errors import UsageError


def config(**options):
    return Config(**{"content": "photo.jpg", "styles": ["painting.jpg"], **options})


PIXELS = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)


def assert_same(one, other):
    assert one == other
    assert hash(one) == hash(other)
    assert digest(one) == digest(other)


def assert_different(*configs):
    for index, one in enumerate(configs):
        for other in configs[index + 1 :]:
            assert one != other
            assert digest(one) != digest(other)


# --- compared and hashed ----------------------------------------------------------------------------------------------


def test_equal_options_are_equal():
    assert_same(config(), config())
    assert_same(config(iterations=300, style_scales=[1]), config(iterations=np.int64(300), style_scales=(1.0,)))
    assert_different(config(), config(iterations=300), config(seed=1), config(style_layers=["relu1_1"]))
    assert config() != "photo.jpg"
    assert len({config(), config(), config(seed=1)}) == 2


def test_every_option_counts():
    """But that None and a default that the network decides are two."""
    for name, changed in {
        "content": "other.jpg",
        "styles": ["painting.jpg", "other.jpg"],
        "output": "out.png",
        "overwrite": True,
        "width": 64,
        "style_scales": (2.0,),
        "initial": "start.png",
        "initial_noiseblend": 0.0,
        "preview_width": 0,
        "learning_rate": 10.0,
        "loss": "balanced",
        "tolerance": 0.08,
        "memory": "3GB",
        "pool_rounding": "down",
        "pooling_scale": 1.5,
        "padding": "reflect",
        "padding_layers": "first",
        "scales": 2,
    }.items():
        assert_different(config(), config(**{name: changed}))


def test_paths_are_compared_by_name():
    """Of whatever kind they are; files are not looked at."""
    assert_same(config(content="a.jpg"), config(content=pathlib.Path("a.jpg")))
    assert_same(
        config(output="a.png", styles="b.jpg"), config(output=pathlib.Path("a.png"), styles=[pathlib.Path("b.jpg")])
    )
    assert_different(config(content="a.jpg"), config(content="./b/../a.jpg"))


def test_arrays_are_compared_by_their_pixels():
    one = config(content=PIXELS)
    assert_same(one, config(content=PIXELS.copy()))
    assert_same(one, config(content=np.asfortranarray(PIXELS)))
    assert_same(one, config(content=np.repeat(PIXELS, 2, axis=1)[:, ::2]))
    changed = PIXELS.copy()
    changed[17, 3, 1] ^= 1
    assert_different(
        one,
        config(content=changed),
        config(content=PIXELS.reshape(50, 40, 3)),
        config(content=PIXELS.view(np.int8)),
        config(content=PIXELS.astype(np.float32)),
        config(content="photo.jpg"),
        config(styles=[PIXELS]),
        config(styles=[changed]),
        config(styles=[PIXELS, PIXELS]),
        config(initial=PIXELS),
    )


def test_images_are_compared_by_their_pixels_and_colors():
    """What two images look like depends on their modes, palettes and profiles, too."""
    image = Image.fromarray(PIXELS)
    assert_same(config(content=image), config(content=image.copy()))
    assert_same(config(content=image), config(content=Image.fromarray(PIXELS.copy())))
    indices = Image.fromarray(PIXELS[..., 0])
    palettes = []
    for first in (0, 1):
        picture = Image.frombytes("P", indices.size, indices.tobytes())
        picture.putpalette([(first + step) % 256 for step in range(768)])
        palettes.append(picture)
    profile, turned, transparent = image.copy(), image.copy(), image.copy()
    profile.info["icc_profile"] = b"a profile"
    turned.info["exif"] = b"a rotation"
    transparent.info["transparency"] = (1, 2, 3)
    ycc = Image.frombytes("YCbCr", image.size, image.tobytes())
    pictures = [image, profile, turned, transparent, ycc, indices, *palettes]
    assert_different(*(config(content=picture) for picture in pictures))
    assert_same(config(content=palettes[0]), config(content=palettes[0].copy()))
    assert_same(config(content=profile), config(content=profile.copy()))


def test_pictures_are_not_changed_by_comparing():
    image, array = Image.fromarray(PIXELS), PIXELS.copy()
    made = config(content=image, styles=[array])
    assert made == config(content=image, styles=[array])
    assert made.content is image
    assert made.styles[0] is array
    np.testing.assert_array_equal(array, PIXELS)
    np.testing.assert_array_equal(np.asarray(image), PIXELS)


def test_the_digest_is_the_same_in_every_process():
    """Which hashes are not; of resolved configurations, which hold a set, as well."""
    code = (
        "from neural_style.config.config import Config; from neural_style.config.resolve import resolve; "
        "from neural_style.config.serialize import digest; "
        "made = Config('photo.jpg', ['painting.jpg'], tv_weight=0.3); "
        "print(digest(made), digest(resolve(made, {'loss': 'athalye'})), hash(made))"
    )
    outputs = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        outputs.append(done.stdout.split())
    made = config(tv_weight=0.3)
    assert outputs[0][:2] == outputs[1][:2] == [digest(made), digest(resolve(made, {"loss": "athalye"}))]
    assert outputs[0][2] != outputs[1][2]
    assert len(digest(made)) == 64


def test_names_that_are_not_text_have_a_digest():
    assert digest(config(content="caf\udce9.jpg")) != digest(config(content="cafe.jpg"))


# --- pickled ----------------------------------------------------------------------------------------------------------


def test_configurations_can_be_pickled_with_their_pictures():
    for made in (
        config(),
        config(
            content=PIXELS, styles=[Image.fromarray(PIXELS), pathlib.Path("a.jpg")], initial=Image.fromarray(PIXELS)
        ),
        config(
            optimizer="adam",
            style_scales=[2],
            content_layers=["relu1_1"],
            checkpoint_output="{}.png",
            checkpoint_iterations=3,
        ),
    ):
        again = pickle.loads(pickle.dumps(made))
        assert_same(again, made)
        assert type(again) is Config
        assert again.given == made.given
        with pytest.raises(dataclasses.FrozenInstanceError):
            again.seed = 3


# --- as JSON ----------------------------------------------------------------------------------------------------------


def test_json_brings_back_what_was_written():
    for options in (
        {},
        {"content": pathlib.Path("a/b.jpg"), "styles": ["c.jpg", pathlib.Path("d.jpg")], "initial": "e.png"},
        {"styles": ["c.jpg", "d.jpg"], "style_scales": (1, 0.1), "style_blend_weights": (1, 3), "width": 64},
        {"optimizer": "adam", "learning_rate": 0.1, "beta1": 0.0, "eps": 1e-8, "tolerance": 0.005, "scales": 3},
        {"content_layers": ("relu1_1", "conv4_2"), "style_layers": ("relu3_1",), "style_layer_weights": (2,)},
        {
            "output": "äöü 画.png",
            "content": "caf\udce9.jpg",
            "weights": "imagenet",
            "device": "gpu:1",
            "memory": "2.5GiB",
        },
        {"checkpoint_output": "a_{:05}.png", "checkpoint_iterations": 3, "progress_plot": True, "overwrite": True},
        {"init": "style_colors", "noise_scale": 20, "style_fit": "longest", "style_rotations": (90, 270)},
        {"init": pathlib.Path("a/start.png")},
    ):
        made = config(**options)
        assert_same(from_json(to_json(made)), made)
        assert from_json(to_json(made)).given == made.given
        assert to_json(from_json(to_json(made))) == to_json(made)


def test_json_names_every_option():
    values = json.loads(to_json(config(seed=7)))
    assert list(values) == list(OPTIONS)
    assert values["seed"] == 7
    assert values["tolerance"] is None
    assert values["styles"] == ["painting.jpg"]


def test_options_that_are_left_out_have_their_defaults():
    assert_same(from_json('{"content": "photo.jpg", "styles": ["painting.jpg"], "seed": 3}'), config(seed=3))


def test_a_resolved_configuration_as_json_repeats_the_run():
    made = resolve(config(optimizer="adam"), {"loss": "athalye", "preview_width": 256})
    again = resolve(from_json(to_json(made)), {"loss": "balanced"})
    assert {name: getattr(again, name) for name in OPTIONS} == {name: getattr(made, name) for name in OPTIONS}


def test_pictures_in_memory_are_no_json():
    for options in ({"content": PIXELS}, {"styles": ["a.jpg", Image.fromarray(PIXELS)]}, {"initial": PIXELS}):
        with pytest.raises(UsageError, match=rf"^{next(iter(options))}: expected a path, got a picture in memory"):
            to_json(config(**options))


def test_what_is_no_configuration_is_refused():
    for text, message in (
        ("", "expected a configuration as JSON, got ''"),
        ("{", "expected a configuration as JSON, got '{'"),
        ("[1, 2]", "expected a configuration as a JSON object"),
        ('{"content": "a", "styles": ["b"], "no": 1, "such": 2}', "expected options of this version, got no, such"),
        ('{"styles": ["b"]}', "expected --content, got none"),
        ('{"content": "a"}', "expected --styles, got none"),
        ("{}", "expected --content and --styles, got none"),
        ('{"content": "a", "styles": []}', "expected --styles, got none"),
        ('{"styles": ["b"], "size": "9"}', "size: expected WIDTHxHEIGHT"),
        ('{"content": 5, "styles": ["b"]}', "content: expected a path"),
        ('{"content": "a", "styles": {"b": 1}}', "styles: expected a path"),
        ('{"content": "a", "styles": ["b"], "width": "64"}', "width: expected a whole number"),
        ('{"content": "a", "styles": ["b"], "tolerance": NaN}', "tolerance: expected"),
        ('{"content": "a", "styles": ["b"], "style_weight": 1e999}', "style_weight: expected"),
        ('{"content": "a", "styles": ["b"], "overwrite": 1}', "overwrite: expected true or false"),
    ):
        with pytest.raises(UsageError) as caught:
            from_json(text)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_numpy_and_pillow_are_not_imported_for_it():
    code = (
        "import sys; from neural_style.config.config import Config; from neural_style.config import serialize; "
        "made = Config('a', ['b']); assert serialize.from_json(serialize.to_json(made)) == made; "
        "print(sorted({'numpy', 'tensorflow', 'PIL'} & set(sys.modules)), len(serialize.digest(made)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] 64\n"


def test_values_are_hashable_as_they_are():
    for value in (None, 3, 0.5, "text", True, (1, "a"), b"bytes"):
        assert serialize.hashable(value) == value
    assert serialize.hashable([1, [2, 3]]) == (1, (2, 3))
