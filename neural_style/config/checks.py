"""Checks of options against each other."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neural_style import vgg19_spec
from neural_style.config import byte_sizes, durations, kinds, serialize
from neural_style.config.defaults import BALANCED_BLOCKS, FILM_SUFFIXES, STEPPING, STYLE_ROTATIONS
from neural_style.config.encoded_picture import EncodedPicture
from neural_style.config.fields import words
from neural_style.errors import UsageError

if TYPE_CHECKING:
    from neural_style.config.config import Config


def check(config: Config) -> None:
    """Check the options of a configuration against each other. Each has been checked by itself before.

    Raises:
        UsageError: options contradict each other, or one has an invalid value.
    """
    _check_pictures(config)
    _check_masks(config)
    _check_start(config)
    _check_colors(config)
    _check_rotations(config.style_rotations or ())
    _check_layers(config)
    _check_progress(config)
    _check_iterations(config)
    if not re.fullmatch(r"auto|[1-9]\d?", config.scales):
        raise UsageError(f"scales: expected auto or a whole number from 1 to 99, got {config.scales!r}")
    if config.bit_depth not in (8, 16):
        raise UsageError(f"bit_depth: expected 8 or 16, got {config.bit_depth}")
    if config.pixel_range not in (1, 255):
        raise UsageError(f"pixel_range: expected 1 or 255, got {config.pixel_range}")
    for name, suits in (("clip", STEPPING), ("average_iterates", STEPPING), ("carry_moments", ("adam",))):
        if getattr(config, name) and config.optimizer not in suits:
            raise UsageError(
                f"{name}: expected {' or '.join(suits)} as optimizer, got {config.optimizer}; "
                f"give --optimizer {suits[0]}, or leave --{name} out"
            )
    if config.clip and config.asked("variables") == "frequencies":
        raise UsageError(
            "clip: expected pixels as variables, got frequencies, which have no range; give --noclip, or "
            "--variables pixels"
        )
    if config.workdir is None and "checkpoint_minutes" in config.given:
        raise UsageError(
            "checkpoint_minutes: expected --workdir as well, where checkpoints go, got none; give a folder"
        )
    if config.max_time is not None:
        durations.parse(config.max_time, "max_time")  # raises UsageError unless it is a time
    byte_sizes.parse(config.memory)  # raises UsageError unless it is a size
    if not re.fullmatch(r"auto|cpu|gpu(:\d+)?", config.device):
        raise UsageError(f"device: expected auto, cpu, gpu or gpu:<number>, got {config.device!r}")


def _check_pictures(config: Config) -> None:
    """Check that pictures are given, and that there is one style scale and one blend weight for each style."""
    _check_given(config)
    if config.content is not None:
        _check_picture("content", config.content)
    for style in config.styles:
        _check_picture("styles", style)
    if config.initial is not None:
        _check_picture("initial", config.initial)
    for name in ("style_scales", "style_blend_weights"):
        values = getattr(config, name)
        if values is not None and config.styles and len(values) != len(config.styles):
            raise UsageError(
                f"{name}: expected {len(config.styles)} value(s), one per style picture, "
                f"got {len(values)}: {words(values)}"
            )
    _ = config.style_blend
    _check_texture(config)
    _check_reconstruction(config)
    _check_seamless(config)


def _check_given(config: Config) -> None:
    """Check that a run has a content or is a texture, and that it has styles or needs none."""
    needs_styles = not config.styles and (config.asked("style_weight") != 0 or config.strength == 0)
    if config.content is None and config.size is None:
        beside = " and --styles" if needs_styles else ""
        raise UsageError(
            f"expected --content{beside}, got none; for example: --content photo.jpg --styles painting.jpg; for a "
            "texture, give --size 512x512 in place of --content (--help lists all)"
        )
    if config.content is None and not config.styles:
        raise UsageError("styles: expected the pictures that a texture is made of, got none; give --styles FILE")
    if needs_styles:
        raise UsageError(
            "expected --styles, got none; for example: --content photo.jpg --styles painting.jpg; to rebuild the "
            "content alone, give --style_weight 0 in place of --styles (--help lists all)"
        )


def _check_texture(config: Config) -> None:
    """Check the size of a texture, and that it has no options that need a content."""
    size = config.texture_size
    if config.content is not None:
        if size is not None:
            raise UsageError(
                f"size: expected nothing beside --content, whose aspect ratio is kept, got {config.size}; give "
                f"--width {size[0]} instead, or leave --content out for a texture"
            )
        return
    assert size is not None
    if min(size) < vgg19_spec.MIN_SIDE:
        raise UsageError(f"size: expected at least {vgg19_spec.MIN_SIDE} px a side, got {config.size}")
    if math.prod(size) > config.max_pixels:
        raise UsageError(
            f"size: expected at most {config.max_pixels} pixels, got {config.size}; give less, or raise --max_pixels"
        )
    if config.width is not None:
        raise UsageError(f"width: expected nothing beside --size, which says the width, got {config.width}")
    _refuse_given(
        config, kinds.OF_CONTENT, "in a texture, which has no content", "leave it out, or give --content FILE"
    )
    if isinstance(config.init, str) and config.init in kinds.CONTENT_STARTS:
        raise UsageError(
            f"init: expected a start without content for a texture, got {config.init}; give noise, style_colors, gray, "
            "style or a picture, or leave it out"
        )
    if config.asked("style_weight") == 0:
        raise UsageError(
            "style_weight: expected more than 0 for a texture, got 0, which leaves nothing to optimize; leave it out, "
            "or give --content FILE to rebuild that"
        )


def _check_reconstruction(config: Config) -> None:
    """Check that a run without styles has no options that need some."""
    if config.styles:
        return
    if isinstance(config.init, str) and config.init in kinds.STYLE_STARTS:
        raise UsageError(f"init: expected a start without style, since there are no --styles, got {config.init}")
    if not config.is_reconstruction:
        raise UsageError(
            "styles: expected some, or a content that is rebuilt, got neither; give --styles FILE without "
            "--style_weight 0, or a --content_weight above 0"
        )
    where = "beside --style_weight 0, which leaves no style to count"
    _refuse_given(config, kinds.OF_STYLE, where, "leave it out")
    if config.recolors_styles and config.color != "luminance":
        raise UsageError(f"color: expected nothing that changes styles {where}, got {config.color}; leave it out")


def check_use(config: Config) -> None:
    """Check that the style pictures and masks given on a command line count for something.

    A `Config` may name some that do not count, since a session can change a weight to 0 while it goes on.

    Raises:
        UsageError: they do not.
    """
    if config.styles and config.is_reconstruction and config.start not in kinds.STYLE_STARTS:
        raise UsageError(
            f"styles: expected none beside --style_weight 0, which rebuilds the content alone, got "
            f"{len(config.styles)}; leave one of the two out"
        )
    for names, weight in (("content_masks", "style_masks"), "style_weight"), (("content_mask",), "content_weight"):
        given = next((name for name in names if getattr(config, name) is not None), None)
        if given and not config.factor(weight):
            raise UsageError(
                f"{given}: expected a {weight.removesuffix('_weight')} that counts, got a weight of 0; leave {given} "
                f"out, or give {weight} or strength"
            )


def _refuse_given(config: Config, names: Sequence[str], where: str, remedy: str) -> None:
    """Raise UsageError if one of some options was given."""
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for name in names:
        given = config.asked(name)
        if given is not None and serialize.hashable(given) != serialize.hashable(defaults[name]):
            values = given if isinstance(given, tuple) else (given,)
            shown = words("an array" if hasattr(type(each), "__array_interface__") else each for each in values)
            raise UsageError(
                f"{name}: expected nothing {where}, got {f'--{name}' if given is True else shown}; {remedy}"
            )


def _check_seamless(config: Config) -> None:
    """Check that a seamless run is a texture whose sides the deepest layer's stride divides."""
    if not config.seamless:
        return
    if config.content is not None:
        raise UsageError("seamless: expected a texture, got --content; give --size in its place, or leave seamless out")
    if config.padding != "zeros":
        raise UsageError(
            f"padding: expected nothing beside --seamless, which continues each map at its opposite edge, got "
            f"{config.padding}; leave one of the two out"
        )
    size, unit = config.texture_size, config.size_unit
    assert size is not None
    if any(side % unit for side in size):
        below, above = (
            "x".join(str(max(unit, vgg19_spec.MIN_SIDE, rounded(side / unit) * unit)) for side in size)
            for rounded in (math.floor, math.ceil)
        )
        raise UsageError(
            f"size: expected multiples of {unit} px with --seamless and these layers, got {config.size}; give {above}"
            f"{f' or {below}' if below != above else ''}"
        )


def _check_masks(config: Config) -> None:
    """Check that there are as many masks as styles, and something that they can act on."""
    content, styles, count = config.content_masks, config.style_masks, len(config.styles)
    for name in ("content_masks", "style_masks", "content_mask"):
        masks = getattr(config, name)
        for mask in masks if isinstance(masks, tuple) else [] if masks is None else [masks]:
            _check_picture(name, mask)
    if content is not None and len(content) not in (1, count):
        raise UsageError(
            f"content_masks: expected {count} gray mask(s), one per style, or one label image, got {len(content)}"
        )
    if styles is not None and len(styles) != count:
        raise UsageError(
            f"style_masks: expected {count} picture(s), one per style, got {len(styles)}; give a white picture for a "
            "style that counts as a whole"
        )
    if config.mask_erosion and content is styles is None:
        raise UsageError(
            "mask_erosion: expected content_masks or style_masks, whose borders it moves, got neither; give masks, or "
            "leave mask_erosion out"
        )


def _check_start(config: Config) -> None:
    """Check that one option says what a run starts from."""
    if config.init is not None:
        _check_picture("init", config.init)
        if config.initial is not None:
            raise UsageError(
                "initial: expected nothing beside --init, which says what to start from, too; leave one of them out"
            )
    share = config.asked("initial_noiseblend")
    if config.start == "noise" and share not in (None, 1):
        raise UsageError(
            f"initial_noiseblend: expected 1 with --init noise, which is noise alone, got {share:g}; "
            "leave one of the two out"
        )
    if share == 1 and config.start != "noise":
        for name in ("init", "initial"):
            if getattr(config, name) is not None:
                raise UsageError(
                    f"initial_noiseblend: expected less than 1 beside --{name}, got 1, which is noise alone and leaves "
                    f"nothing of that picture; leave one of the two out"
                )


def _check_colors(config: Config) -> None:
    """Check that the options of colors belong to something."""
    if config.preserve_colors and config.color != "none":
        raise UsageError(
            f"color: expected none beside preserve_colors, which keeps the colors, too, got {config.color}; "
            "leave one of the two out"
        )
    if config.color_mask is not None:
        _check_picture("color_mask", config.color_mask)
        if not config.preserve_colors and config.color == "none":
            raise UsageError(
                "color_mask: expected preserve_colors or color beside it, which it confines, got neither; "
                "give --preserve_colors, or --color luminance, match or histogram"
            )
    check_color_details(config.color, config.color_space, config.color_transfer)
    if config.proof is None and config.proof_intent != "relative":
        raise UsageError("proof_intent is that of proof, which is not given; give both")


def check_color_details(color: str, color_space: str, color_transfer: str) -> None:
    """Check that the space of colors and the kind of transfer are those of something.

    Args:
        color: as `Config.color`.
        color_space: as `Config.color_space`.
        color_transfer: as `Config.color_transfer`.

    Raises:
        UsageError: one is given, and `color` does not use it.
    """
    if color == "none" and color_space != "ycbcr":
        raise UsageError(
            f"color_space: expected color luminance, match or histogram beside it, got {color_space} with color none; "
            "give --color, or leave it out"
        )
    if color != "match" and color_transfer != "symmetric":
        raise UsageError(
            f"color_transfer: expected color match beside it, got {color_transfer} with color {color}; "
            "give --color match, or leave it out"
        )


def _check_iterations(config: Config) -> None:
    """Check that one option says how long each size is painted.

    The first of `iterations_by_scale` as `scale_iterations` and the last as `iterations` are no contradictions: saved
    flags name them.
    """
    given = config.iterations_by_scale
    if given is None:
        return
    for name, agreeing in (("iterations", given[-1]), ("scale_iterations", given[0])):
        asked = config.asked(name)
        if asked not in (None, agreeing):
            raise UsageError(
                f"{name}: expected nothing beside iterations_by_scale, which replaces it, got {asked}; "
                "leave one of the two out"
            )


def _check_rotations(rotations: tuple[int, ...]) -> None:
    """Check that style pictures are turned by right angles, by each once."""
    for degrees in rotations:
        if degrees not in STYLE_ROTATIONS:
            expected = f"{', '.join(map(str, STYLE_ROTATIONS[:-1]))} or {STYLE_ROTATIONS[-1]}"
            raise UsageError(f"style_rotations: expected {expected} degrees, got {degrees}")
    if len(set(rotations)) != len(rotations):
        raise UsageError(f"style_rotations: expected each rotation once, got {words(rotations)}")


def _check_picture(name: str, picture: Any) -> None:
    if picture is None or (isinstance(picture, str) and not picture):
        raise UsageError(f"{name}: expected a picture, got none; give --{name} FILE")
    is_object = hasattr(type(picture), "__array_interface__")  # PIL images and arrays, without importing PIL or NumPy
    if not is_object and not isinstance(picture, (str, os.PathLike, EncodedPicture)):
        raise UsageError(f"{name}: expected a path, a PIL image or an array, got {picture!r}")


def _check_layers(config: Config) -> None:
    """Check layer names and their weights."""
    for name in ("style_layers", "content_layers"):
        layers = getattr(config, name) or ()
        for layer in layers:
            if layer not in vgg19_spec.LAYERS:
                raise UsageError(f"{name}: expected names from relu1_1 to relu5_4 or conv1_1 to conv5_4, got {layer!r}")
        if len(set(layers)) != len(layers):
            raise UsageError(f"{name}: expected each layer once, got {words(layers)}")
    if config.content_layers is not None and config.content_weight_blend != 1:
        raise UsageError(
            "content_weight_blend blends relu4_2 and relu5_2, which content_layers replaces; leave one of the two out"
        )
    if config.content_layer_weights is not None and config.content_layers is None:
        raise UsageError("content_layer_weights are those of content_layers, which are not given; give both")
    for name in ("style_loss_weights", "style_loss_layers"):
        if config.asked(name) is not None and config.style_loss is None:
            raise UsageError(f"{name} are those of style_loss, which is not given; give both")
    _check_count(config, "style_layer_weights", config.style_layers, "style layer")
    _check_count(config, "content_layer_weights", config.content_layers, "content layer")
    _check_count(config, "style_loss_weights", config.in_effect("style_loss"), "statistic")
    _check_count(config, "style_loss_layers", config.in_effect("style_loss"), "statistic")
    if config.style_layer_weights is not None and config.style_layer_weight_exp != 1:
        raise UsageError(
            "style_layer_weights and style_layer_weight_exp both set the layers' weights; leave one of them out"
        )
    _check_statistics(config)
    _check_losses(config)
    _check_strength(config)


def _check_count(config: Config, name: str, weighted: Sequence[str] | None, kind: str) -> None:
    """Check that there is one value for each of some layers or statistics."""
    given, count = config.asked(name), len(weighted or ())
    if given is not None and len(given) != count:
        raise UsageError(f"{name}: expected {count} value(s), one per {kind}, got {len(given)}: {words(given)}")


def _check_losses(config: Config) -> None:
    """Check that some loss is left to optimize, and some of the style if that is to count."""
    if config.style_terms and not any(config.statistic_layers.values()):
        raise UsageError(
            "style_loss_layers: expected a statistic that counts in a style layer, got none; give all, or other layers"
        )
    terms = {**config.content_terms, **config.style_terms}
    if terms or config.in_effect("tv_weight"):
        return
    weights = {name: config.in_effect(name) for name in ("content_weight", "style_weight", "tv_weight")}
    left_out = "style_weight" if config.strength == 0 else "content_weight" if config.strength == 1 else None
    others = [name for name in weights if name != left_out]
    if left_out and weights[left_out] and not any(weights[name] for name in others):
        raise UsageError(
            f"strength: expected a number above 0 and below 1, or {' or '.join(others)} above 0, got strength "
            f"{config.strength:g}, which leaves out the {left_out.removesuffix('_weight')} loss, and 0 for both; "
            "there is nothing to optimize"
        )
    if weights["style_weight"] and config.strength != 0:
        raise UsageError(
            "style_layers_of: expected a style that counts in a style layer with a weight above 0, got none; "
            "there is nothing to optimize"
        )
    raise UsageError(
        "expected content_weight, style_weight or tv_weight above 0, got 0 for all; there is nothing to optimize"
    )


def _check_strength(config: Config) -> None:
    """Check that a strength that was given has two losses to set against each other."""
    if config.asked("strength") in (None, 0, 1):
        return
    for name in ("content_weight", "style_weight"):
        if config.in_effect(name) == 0:
            raise UsageError(
                f"strength: expected {name} above 0 beside it, got 0, which leaves nothing to set it against; "
                f"leave strength or {name} out"
            )


def _check_statistics(config: Config) -> None:
    """Check the statistics of the style loss, and the layers that each style counts in."""
    statistics = config.in_effect("style_loss")
    if len(set(statistics)) != len(statistics):
        raise UsageError(f"style_loss: expected each statistic once, got {words(statistics)}")
    if not 0 < sum(config.style_statistics.values()) < math.inf:
        raise UsageError(
            "style_loss_weights: expected at least one weight above 0 and a finite sum, "
            f"got {words(config.style_statistics.values())}"
        )
    blocks = [f"block{block}" for block in BALANCED_BLOCKS]
    for names in config.asked("style_loss_layers") or ():
        unknown = [name for name in names.split("+") if name not in (*blocks, *config.style_layers)]
        if names != "all" and unknown:
            raise UsageError(
                f"style_loss_layers: expected all, or some of {'+'.join([*blocks, *config.style_layers])} "
                f"joined with +, got {names!r}: style_layers has no {' and no '.join(map(repr, unknown))}"
            )
    if config.style_layers_of is None:
        return
    if len(config.style_layers_of) != len(config.styles):
        raise UsageError(
            f"style_layers_of: expected {len(config.styles)} value(s), one per style picture, "
            f"got {len(config.style_layers_of)}: {words(config.style_layers_of)}; join the layers of a picture with +"
        )
    for layers in config.style_layers_of:
        unknown = [layer for layer in layers.split("+") if layer not in config.style_layers]
        if layers != "all" and unknown:
            raise UsageError(
                f"style_layers_of: expected all, or some of {'+'.join(config.style_layers)} joined with +, "
                f"got {layers!r}: style_layers has no {' and no '.join(map(repr, unknown))}"
            )


def _check_progress(config: Config) -> None:
    """Check the format of a film; that checkpoints have a path and an interval; and that the path differs each time."""
    film = config.progress_film
    if film is not None and os.path.splitext(film)[1].lower() not in FILM_SUFFIXES:
        raise UsageError(f"progress_film: expected a name that ends in one of {', '.join(FILM_SUFFIXES)}, got {film!r}")
    template, every = config.checkpoint_output, config.checkpoint_iterations
    if (template is None) != (every is None):
        raise UsageError("checkpoint_output and checkpoint_iterations go together; give both or neither")
    if template is None:
        return
    try:
        tells_apart = config.checkpoint_path(1) != config.checkpoint_path(2)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        tells_apart = False
    if not tells_apart:
        raise UsageError(
            "checkpoint_output: expected a placeholder for the iteration, as in out_{:05}.jpg or out_%05d.jpg, "
            f"got {template!r}"
        )
