"""Color management: convert pixels from their ICC profile, or from Lab, to sRGB.

Little CMS does the conversion, through Pillow for 8 bits per channel and through imagecodecs for 16.
"""

import functools
import io
import logging
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

from neural_style.images.limits import MOST_PROFILE
from neural_style.images.picture import one_line

LOG = logging.getLogger("neural_style")

WHITE_16 = 2**16 - 1
"""White in a 16-bit channel."""

_EXACT_CURVES = 0x0100
"""Flag of Little CMS: evaluate tone curves. Its 16-bit tables are off by 13 levels of 255 near black."""

_XYZ_TO_LINEAR_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)
"""From CIE XYZ under illuminant D50 to linear sRGB, which is under D65 (Bradford adaptation)."""

_D50 = np.array([0.9642, 1.0, 0.8249])
"""CIE XYZ of the white of ICC profiles."""

ToSrgb = Callable[[np.ndarray], np.ndarray]
"""Converts float32 (rows, width, channels), 0-65535, to sRGB of the same range."""


@functools.cache
def srgb_profile() -> bytes:
    """Return an ICC profile of sRGB, always the same bytes: its date of creation is constant."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    date = b"".join(number.to_bytes(2, "big") for number in (2000, 1, 1, 0, 0, 0))
    return profile[:24] + date + profile[36:]


def converter(mode: str, profile: bytes | None, subject: str) -> Callable[[Image.Image], Image.Image]:
    """Return a function that converts L, RGB, CMYK or LAB images to sRGB in mode RGB.

    Args:
        mode: mode of the images.
        profile: their ICC profile. An unusable one is ignored with a warning.
        subject: what warnings begin with.
    """
    if mode == "LAB":
        return _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), mode)
    if profile and not _is_too_large(profile, subject):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if mode == "L" and source.profile.xcolor_space == "RGB ":
                convert = _transform(source, "RGB")
                return lambda image: convert(image.convert("RGB"))
            return _transform(source, mode)
        except (OSError, ValueError, ImageCms.PyCMSError) as error:
            _warn_unusable(subject, error)
    return lambda image: image.convert("RGB")


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> Callable[[Image.Image], Image.Image]:
    """Return a function that converts images of a mode, in the colors of `profile`, to sRGB."""
    srgb = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    transform = ImageCms.buildTransform(profile, srgb, mode, "RGB", ImageCms.Intent.PERCEPTUAL)
    return transform.apply


def _warn_unusable(subject: str, reason: Exception | str) -> None:
    LOG.warning("%s: its color profile is unusable and ignored, so colors may be off (%s)", subject, one_line(reason))


def _is_too_large(profile: bytes, subject: str) -> bool:
    """Return whether a profile is larger than any device has; warn if so."""
    if len(profile) <= MOST_PROFILE:
        return False
    _warn_unusable(subject, f"more than {MOST_PROFILE >> 20} MiB")
    return True


def gray_curves(profile: bytes | None, subject: str) -> np.ndarray | None:
    """Return the sRGB colors of the 256 gray levels of 8 bits, uint8 (256, 3); None without a profile."""
    if not profile:
        return None
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])
    return np.asarray(converter("L", profile, subject)(ramp))[0]


def apply_curves(gray: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Look up gray (height, width), 0-255, in `gray_curves` with interpolation; return (height, width, 3), 0-255."""
    return np.stack([np.interp(gray, np.arange(256), curve) for curve in curves.T], axis=-1)


def deep_converter(profile: bytes | None, subject: str) -> ToSrgb | None:
    """Return a function that converts 16-bit colors to sRGB.

    Without imagecodecs, colors are converted in 8 bits, with a warning that says how to install it.

    Returns:
        The function; None if there is nothing to convert: no profile, our own sRGB profile, or an unusable profile.
    """
    if not profile or profile == srgb_profile() or _is_too_large(profile, subject):
        return None
    try:
        import imagecodecs
    except ImportError:
        convert = converter("RGB", profile, subject)
        LOG.warning("%s: its colors are converted to sRGB in 8 bits; for 16 bits: pip install imagecodecs", subject)
        return lambda color: _convert_in_8_bits(color, convert)

    def convert_in_16_bits(color: np.ndarray) -> np.ndarray:
        whole = np.ascontiguousarray(np.rint(color).astype(np.uint16))
        converted = imagecodecs.cms_transform(
            whole, profile, srgb_profile(), colorspace="rgb", outcolorspace="rgb", intent=0, flags=_EXACT_CURVES
        )
        return converted.astype(np.float32)

    try:
        convert_in_16_bits(np.zeros((1, 1, 3), np.float32))
    except (RuntimeError, ValueError) as error:
        _warn_unusable(subject, error)
        return None
    return convert_in_16_bits


def _convert_in_8_bits(color: np.ndarray, convert: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Convert (rows, width, 3), 0-65535, in 8 bits."""
    levels = np.rint(color / (WHITE_16 / 255)).astype(np.uint8)
    return np.asarray(convert(Image.fromarray(levels)), np.float32) * (WHITE_16 / 255)


def lab_to_srgb(lab: np.ndarray) -> np.ndarray:
    """Convert CIE L*a*b* under D50 (height, width, 3), L* 0-100, to sRGB, float32 0-65535; clipped to its gamut."""
    # CIE 15: Y = f⁻¹((L + 16) / 116), X and Z likewise after a / 500 is added and b / 200 subtracted
    lightness, green_red, blue_yellow = np.moveaxis(lab.astype(np.float64), -1, 0)
    middle = (lightness + 16) / 116
    roots = np.stack([middle + green_red / 500, middle, middle - blue_yellow / 200], axis=-1)
    xyz = _D50 * np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * 3 * (6 / 29) ** 2)
    linear = (xyz @ _XYZ_TO_LINEAR_SRGB.T).clip(0, 1)
    curved = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return (curved.clip(0, 1) * WHITE_16).astype(np.float32)
