import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]


def compare(*arguments):
    run = [sys.executable, ROOT / "scripts" / "compare_sizes.py", *arguments]
    return [
        json.loads(line) for line in subprocess.run(run, capture_output=True, check=True, text=True).stdout.splitlines()
    ]


def test_a_picture_and_others_of_its_kind(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("photo", "small", "other"):
        blurred = ndimage.gaussian_filter(rng.normal(128, 400, (48, 72, 3)), (2, 2, 0))
        Image.fromarray(blurred.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    small = Image.open(tmp_path / "small.png")
    small.resize((288, 192), Image.Resampling.LANCZOS).save(tmp_path / "large.png")
    photo, small, large, other = (tmp_path / f"{name}.png" for name in ("photo", "small", "large", "other"))
    sheet = tmp_path / "sheet.jpg"
    cut = ["--crop", "0.25", "0", "0.75", "0.5"]
    first, enlarged, unlike, alone = compare(
        photo, "--row", small, large, other, "--row", large, "--sheet", sheet, *cut
    )
    assert [row["picture"] for row in (first, enlarged, unlike, alone)] == [
        "small.png",
        "large.png",
        "other.png",
        "large.png",
    ]
    assert (first["rmse"], first["ssim"], first["change"]) == (0, 1, 1)
    assert enlarged["rmse"] < 3 < unlike["rmse"]
    assert min(enlarged["ssim"], enlarged["change"]) > 0.99
    assert unlike["ssim"] < 0.5
    assert unlike["change"] < 0.7
    assert alone["rmse"] == 0
    assert Image.open(sheet).size == (3 * 320 + 2 * 8, 2 * 213 + 8)
