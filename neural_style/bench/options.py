"""What to measure, read from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from absl import flags

from neural_style import vgg19_spec
from neural_style.bench.sections import SECTIONS
from neural_style.config import presets
from neural_style.config.config import OPTIONS, Config
from neural_style.errors import UsageError
from neural_style.example_pictures import example_picture


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        sections: names of `SECTIONS`.
        widths: of the pictures, in pixels; all but those of `quality` are square. Empty for each section's own.
        repeats: how often each action is timed.
        short: compute the classic run's losses in the fast precision, and time a sample of it in float32.
        weights: as `Config.weights`.
        precision: as `Config.precision`; `eval` measures all of them, `tiles` float32.
        preset: one of `Config.presets()`, or None for the defaults.
        content: photo of `quality`.
        style: painting of `quality`.
        pictures: folder for the pictures of `quality`, or None.
        json: file to write the results to, or None.
    """

    sections: tuple[str, ...]
    widths: tuple[int, ...]
    repeats: int
    short: bool
    weights: str
    precision: str
    preset: str | None
    content: str
    style: str
    pictures: str | None
    json: str | None

    def config(self, **changes: Any) -> Config:
        """Return the settings of the runs to measure.

        Args:
            changes: fields of `Config`. They win over the preset.
        """
        given = {"weights": self.weights, "precision": self.precision, **changes}
        return Config.of_preset(self.preset, content=self.content, styles=[self.style], **given)


def parse(arguments: Sequence[str]) -> Options:
    """Read the arguments of `bench`.

    Raises:
        UsageError: a flag or a section is unknown, a value is not allowed, or a section measures no presets.
    """
    values = _flags()
    usage = f"flags: {', '.join(f'--{name}' for name in values)}; sections: {', '.join(SECTIONS)}"
    try:
        sections = values(["bench", *arguments])[1:]
    except flags.Error as error:
        raise UsageError(f"bench: {error}; {usage}") from error
    for section in sections:
        if section not in SECTIONS:
            raise UsageError(f"bench: expected a section, got {section!r}; {usage}")
    given = values.flag_values_dict()
    widths = tuple(given.pop("width") or ())
    possible = [name for name, section in SECTIONS.items() if section.takes_preset or given["preset"] is None]
    if given["preset"] is not None:
        presets.lines(given["preset"])  # raises for an unknown name
        if refused := [name for name in sections if name not in possible]:
            raise UsageError(
                f"bench: expected sections that measure presets ({', '.join(possible)}), got {', '.join(refused)}; "
                "leave it out, or leave out --preset"
            )
    return Options(tuple(name for name in possible if name in sections or not sections), widths, **given)


def declared_flags() -> list[tuple[str, str, str]]:
    """Return the name of each flag of `bench`, the type of its value, such as "string" or "bool", and its help."""
    values = _flags()
    return [(name, values[name].flag_type(), values[name].help) for name in values]


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    least = vgg19_spec.MIN_SIDE
    flags.DEFINE_multi_integer("width", [], "in pixels; repeat it for several", least, flag_values=values)
    flags.DEFINE_integer("repeats", 7, "how often each action is timed", 1, flag_values=values)
    flags.DEFINE_bool("short", False, "extrapolate the time of the classic run", flag_values=values)
    flags.DEFINE_string("weights", OPTIONS["weights"].default, "as for a run", flag_values=values)
    flags.DEFINE_string("precision", "auto", "as for a run; eval measures all, tiles float32", flag_values=values)
    flags.DEFINE_string(presets.FLAG, None, "as for a run; not for quality", flag_values=values)
    flags.DEFINE_string("content", str(example_picture("lakeside.jpg")), "photo of quality", flag_values=values)
    flags.DEFINE_string("style", str(example_picture("swirls.jpg")), "painting of quality", flag_values=values)
    flags.DEFINE_string("pictures", None, "folder for the pictures of quality", flag_values=values)
    flags.DEFINE_string("json", None, "file to write the results to", flag_values=values)
    return values
