import itertools
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from command_line import RUN, new_files, tree
from PIL import Image

from neural_style.cli import film, film_formats
from neural_style.cli import main as cli
from neural_style.cli.film import FIRST_SECONDS, HELD_SECONDS, LONGEST_EACH, MOST_SECONDS, Reel, cut, seconds_of
from neural_style.errors import UsageError


def plain(level, size=(32, 24)):
    return Image.new("RGB", size, (level, 255 - level, 128))


def film_of(path):
    """Frames, seconds and format of a film: float (frames, height, width, 3)."""
    if path.suffix == ".mp4":
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
            kind = stream.codec_context.name, stream.codec_context.pix_fmt
            return np.array(frames, float), float(stream.duration * stream.time_base), kind
    with Image.open(path) as image:
        frames, seconds = [], 0.0
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.asarray(image.convert("RGB"), float))
            seconds += image.info["duration"] / 1000
        return np.array(frames), seconds, (image.format, image.info.get("loop"))


# --- which pictures ---------------------------------------------------------------------------------------------------


def test_pictures_are_kept_where_they_change(tmp_path):
    reel = Reel(tmp_path, least_change=5)
    for level in (0, 1, 2, 30, 31, 33, 60, 200, 200):
        reel.take(plain(level))
    reel.take(plain(200))
    reel.take(plain(203), anyway=True)
    levels = [np.asarray(each)[0, 0, 0] for each in reel.pictures(cut(reel.changes(), 12.5)) if each]
    assert len(reel) == 5
    assert reel.changes() == pytest.approx([20, 20, 280 / 3, 2], abs=0.01)  # two of three channels change
    assert (levels[0], levels[-1]) == (pytest.approx(0, abs=2), pytest.approx(203, abs=2))
    reel.close()
    assert list(tmp_path.iterdir()) == []


def test_a_long_run_keeps_few_pictures_and_closes_up_its_file(tmp_path):
    reel = Reel(tmp_path, most=20, least_change=0.01)
    for level in np.repeat(np.arange(256), 4):
        reel.take(plain(int(level)))
    assert 10 < len(reel) <= 20
    first, last = reel.pictures([film.Frame(0, 0.0, 1), film.Frame(len(reel) - 1, 0.0, 1)])
    assert np.asarray(first)[0, 0, 0] == pytest.approx(0, abs=2)
    assert np.asarray(last)[0, 0, 0] > 230
    changes = reel.changes()
    assert max(changes) < 2.5 * min(changes)
    assert reel._file.seek(0, 2) <= sum(kept.length for kept in reel._kept) + 20 * max(k.length for k in reel._kept)


# --- how long ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ([1.0, 1.0], [1 / 12, 1 / 12]),
        ([3.0, 1.0], [1.5 / 12, 0.5 / 12]),
        ([0.0, 0.0], [1 / 12, 1 / 12]),
        ([], []),
        ([100.0] + [1.0] * 11, [LONGEST_EACH] + [0.6 / 11] * 11),
    ],
)
def test_time_is_in_proportion_to_change_up_to_a_limit(changes, seconds):
    assert seconds_of(changes) == pytest.approx(seconds)


@pytest.mark.parametrize("count", [0, 1, 2, 50, 399])
@pytest.mark.parametrize("rate", [12.5, 30])
def test_a_film_is_short_and_changes_evenly(count, rate):
    changes = [100 / (1 + number) ** 1.5 for number in range(count)]
    frames = cut(changes, rate)
    seconds = sum(frame.ticks for frame in frames) / rate
    assert seconds <= MOST_SECONDS + FIRST_SECONDS + HELD_SECONDS + 0.1 <= 12
    assert frames[-1] == (count, 0.0, round(HELD_SECONDS * rate))
    places = [frame.number + frame.share for frame in frames]
    assert places == sorted(places)
    assert all(0 <= frame.share < 1 and frame.ticks > 0 for frame in frames)
    seen = np.interp(places, range(count + 1), np.concatenate([[0], np.cumsum(changes)]))
    if count == 399:
        later = np.diff(seen)[len(seen) // 2 : -1]
        assert later.max() < 1.2 * later.min()


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".mp4", ("h264", "yuv420p")), (".gif", ("GIF", 0)), (".webp", ("WEBP", 0))]
)
def test_films_decode_with_their_frames_sizes_and_times(suffix, kind, tmp_path):
    path, chosen = tmp_path / f"film{suffix}", film_formats.FORMATS[suffix]
    shown = [4, 1, 1, 10]
    noise = np.random.default_rng(0).integers(0, 60, (24, 32, 3), np.uint8)
    pictures = [Image.fromarray(noise + np.uint8(level)) for level in (0, 60, 120, 180)]
    chosen.encode(path, iter(pictures), shown, chosen.rate)
    frames, seconds, found = film_of(path)
    assert found == kind
    assert frames.shape[1:] == (24, 32, 3)
    assert seconds == pytest.approx(sum(shown) / chosen.rate, abs=0.01)
    wanted = [picture for picture, ticks in zip(pictures, shown, strict=True) for _ in range(ticks)]
    wanted = wanted if suffix == ".mp4" else pictures
    assert len(frames) == len(wanted)
    for frame, picture in zip(frames, wanted, strict=True):
        assert abs(frame.mean() - np.asarray(picture).mean()) < 4
    if suffix == ".mp4":
        data = path.read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")


def test_a_full_disk_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        film_formats.FORMATS[".mp4"].encode(tmp_path / "no" / "film.mp4", iter([plain(0)]), [1], 30)


def test_without_pyav_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UsageError, match=r"^progress_film: expected PyAV for \.mp4, .* pip install av, or .*\.gif"):
        film_formats.check_can_encode(".MP4")
    film_formats.check_can_encode(".gif")


def test_formats_are_those_of_the_option():
    from neural_style.config.defaults import FILM_SUFFIXES

    assert tuple(film_formats.FORMATS) == FILM_SUFFIXES


# --- runs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.mp4", "run.gif", "new/run.webp"])
def test_a_run_writes_its_film_and_no_other_file(name, folder, capsys):
    before = tree(folder)
    assert cli.main([*RUN, "--scales=2", "--width=130", "--output=out.png", f"--progress_film={name}", "--json"]) == 0
    made = {each for each in new_files(folder, before) if "." in each}
    assert made == {"out.png", name}
    assert f'"progress_film": "{name}"' in capsys.readouterr().out
    frames, seconds, _ = film_of(Path(name))
    multiple = 2 if name.endswith("mp4") else 1
    assert frames.shape[1:] == (98 // multiple * multiple, 130, 3)
    assert 1 < seconds < 4
    result = np.asarray(Image.open("out.png").convert("RGB").resize(frames.shape[2:0:-1]), float)
    assert np.abs(frames[-1] - result).mean() < 12  # noise, which the palette of a GIF suits least
    assert np.abs(frames[0] - result).mean() > np.abs(frames[-1] - result).mean()


@pytest.mark.parametrize("arguments", ["--progress_film=run.avi", "--progress_film=run", "--progress_film=-"])
def test_another_kind_of_film_is_refused(arguments, folder, capsys):
    assert cli.main([*RUN, arguments]) == 2
    assert "--progress_film: expected a name that ends in one of .mp4, .gif, .webp, got" in capsys.readouterr().err


def test_an_existing_film_is_refused_without_overwrite(folder, capsys):
    Path("run.gif").write_bytes(b"precious")
    assert cli.main([*RUN, "--progress_film=run.gif"]) == 2
    assert "--progress_film: 'run.gif' exists; give --overwrite" in capsys.readouterr().err
    assert Path("run.gif").read_bytes() == b"precious"
    assert cli.main([*RUN, "--progress_film=run.gif", "--overwrite"]) == 0
    assert len(film_of(Path("run.gif"))[0]) > 1


def test_a_run_that_is_stopped_leaves_a_film_and_its_rest_goes_beside_it(folder, at_iteration, capsys):
    import os
    import signal

    at_iteration(3, lambda: os.kill(os.getpid(), signal.SIGINT))
    options = ["--iterations=6", "--output=out.png", "--progress_film=run.gif", "--workdir=work"]
    assert cli.main([*RUN, *options]) == 130
    first = Path("run.gif").read_bytes()
    frames, _, _ = film_of(Path("run.gif"))
    assert cli.main(["--resume=work"]) == 0
    assert Path("run.gif").read_bytes() == first
    rest, _, _ = film_of(Path("run-2.gif"))
    assert np.abs(rest[0] - frames[-1]).mean() < 8
    assert cli.main(["--resume=work"]) == 0  # it was done already
    assert "the run made no picture, so there is no film" in capsys.readouterr().err


def test_an_encoder_that_fails_does_not_lose_the_result(folder, capsys, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(film_formats.FORMATS, ".gif", film_formats.FORMATS[".gif"]._replace(encode=fail))
    before = tree(folder)
    assert cli.main([*RUN, "--output=out.png", "--progress_film=run.gif"]) == 0
    assert new_files(folder, before) == {"out.png"}
    assert "error: --progress_film: 'run.gif' cannot be written (No space left on device)" in capsys.readouterr().err


def test_options_of_watching_are_not_embedded(folder):
    from neural_style.images import reading

    assert cli.main([*RUN, "--output=out.png", "--progress_film=run.gif", "--preview"]) == 0
    assert not {"progress_film", "preview"} & {*reading.read_settings("out.png")}


def test_pictures_come_within_their_budget(monkeypatch):
    """A share of the time, and an allowance, by a clock that goes on with each look."""
    from neural_style.cli.emerging import Budget

    clock = itertools.count(0.0)
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    budget = Budget(0.5, 1.5)  # at 0
    assert budget.is_open  # at 1
    with budget:  # from 2 to 3
        pass
    with budget:  # from 4 to 5
        pass
    assert budget.spent == 2
    assert budget.is_open  # at 6: 2 <= 1.5 + 3
    budget.spent = 6
    assert not budget.is_open  # at 7: 6 > 1.5 + 3.5


def test_pyav_and_matplotlib_are_imported_on_use():
    code = "import sys; import neural_style.cli.main; sys.exit('av' in sys.modules or 'matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
