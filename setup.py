"""Packages and data; the metadata are in setup.cfg.

Two folders beside the package are installed inside of it: `weights/` as `neural_style/registry/`, and `examples/`.
`find:` in setup.cfg cannot name them, since it finds packages by their folders.
"""

from setuptools import find_packages, setup

FOLDERS = {"neural_style.registry": "weights", "neural_style.examples": "examples"}

setup(
    packages=[*find_packages(include=["neural_style", "neural_style.*"]), *FOLDERS],
    package_dir=FOLDERS,
    package_data={
        "neural_style.registry": ["registry.json", "builtin.npz"],
        "neural_style.examples": ["lakeside.jpg", "swirls.jpg"],
        "neural_style.presets": ["*.flags"],
        "neural_style.web": ["page.css"],
    },
    include_package_data=False,
)
