import pytest

from neural_style.cli import flags
from neural_style.config.config import Config
from neural_style.errors import UsageError

NEEDED = ["--content", "photo.jpg", "--styles", "painting.jpg"]


def parse(*arguments):
    return flags.parse([*NEEDED, *arguments])


# --- spellings --------------------------------------------------------------------------------------------------------


def test_a_command_line_for_anishathalye_runs_unchanged():
    command = (
        "--content in.jpg --styles a.jpg b.jpg --output out.jpg --iterations 500 --print-iterations 50 "
        "--checkpoint-output out_%05d.jpg --checkpoint-iterations 100 --progress-write --progress-plot --width 600 "
        "--style-scales 1.5 0.5 --network net.mat --content-weight-blend 0.5 --content-weight 4 --style-weight 300 "
        "--style-layer-weight-exp 1.2 --style-blend-weights 0.7 0.3 --tv-weight 50 --learning-rate 8 --beta1 0.8 "
        "--beta2 0.99 --eps 1e-6 --initial start.png --initial-noiseblend 0.25 --preserve-colors --pooling avg "
        "--overwrite"
    )
    assert flags.parse(command.split()) == Config(
        content="in.jpg",
        styles=["a.jpg", "b.jpg"],
        output="out.jpg",
        iterations=500,
        print_iterations=50,
        checkpoint_output="out_%05d.jpg",
        checkpoint_iterations=100,
        progress_write=True,
        progress_plot=True,
        width=600,
        style_scales=[1.5, 0.5],
        weights="net.mat",
        content_weight_blend=0.5,
        content_weight=4,
        style_weight=300,
        style_layer_weight_exp=1.2,
        style_blend_weights=[0.7, 0.3],
        tv_weight=50,
        learning_rate=8,
        beta1=0.8,
        beta2=0.99,
        eps=1e-6,
        initial="start.png",
        initial_noiseblend=0.25,
        preserve_colors=True,
        pooling="avg",
        overwrite=True,
    )


def test_what_is_not_given_has_its_default():
    assert parse() == Config("photo.jpg", ["painting.jpg"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--content-weight", "7"],
        ["--content_weight", "7"],
        ["--content-weight=7"],
        ["--content_weight=7"],
        ["-content-weight", "7"],
        ["--content_weight", "3", "--content-weight", "7"],
    ],
    ids=" ".join,
)
def test_spellings_of_one_flag(arguments):
    assert parse(*arguments) == parse("--content_weight=7.0")


@pytest.mark.parametrize("arguments", [["--network", "builtin"], ["--weights=builtin"], ["--network=builtin"]])
def test_network_is_another_name_of_weights(arguments):
    assert parse(*arguments).weights == "builtin"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--styles", "a.jpg", "b.jpg", "c.jpg"],
        ["--styles=a.jpg", "--styles=b.jpg", "--styles=c.jpg"],
        ["--styles", "a.jpg", "b.jpg", "--overwrite", "--styles=c.jpg"],
        ["--styles=a.jpg", "--styles", "b.jpg", "c.jpg", "--width", "64"],
    ],
    ids=" ".join,
)
def test_spellings_of_a_list(arguments):
    assert flags.parse(["--content=photo.jpg", *arguments]).styles == ("a.jpg", "b.jpg", "c.jpg")


def test_a_list_of_choices():
    for arguments in (["--style-loss", "gram", "mean_std"], ["--style_loss=gram", "--style_loss=mean_std"]):
        assert parse(*arguments).style_loss == ("gram", "mean_std")
    assert parse().style_loss is None


def test_a_comma_is_part_of_a_name_rather_than_the_end_of_an_item():
    assert flags.parse(["--content=x", "--styles=a,b.jpg"]).styles == ("a,b.jpg",)


@pytest.mark.parametrize(
    ("arguments", "overwrite"),
    [
        (["--overwrite"], True),
        (["--overwrite=true"], True),
        (["--overwrite", "true"], True),
        (["--overwrite=1"], True),
        (["--overwrite=false"], False),
        (["--overwrite", "False"], False),
        (["--nooverwrite"], False),
        (["--no-overwrite"], False),
        (["--overwrite", "--no_overwrite"], False),
        (["--no_overwrite", "--overwrite"], True),
    ],
    ids=str,
)
def test_spellings_of_a_switch(arguments, overwrite):
    assert parse(*arguments).overwrite is overwrite


def test_a_negative_number_is_a_value_and_not_a_flag():
    with pytest.raises(UsageError, match=r"^tv_weight: expected a number >= 0, got -3.5$"):
        parse("--tv-weight", "-3.5")


def test_an_equals_sign_lets_a_value_begin_with_a_dash():
    assert parse("--output=-odd=name.png").output == "-odd=name.png"


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "nearest"),
    [
        ("--conten", "--content"),
        ("--content-weigth", "--content_weight"),
        ("--learning-rat", "--learning_rate"),
        ("--itertions=5", "--iterations"),
        ("--netwrok", "--network"),
        ("--flag-file", "--flagfile"),
        ("--preserve-color", "--preserve_colors"),
        ("--iter", "--iterations"),
    ],
)
def test_an_unknown_flag_suggests_the_nearest(flag, nearest):
    with pytest.raises(UsageError, match=rf"^unknown flag --\w+; did you mean {nearest}\?$"):
        parse(flag)


def test_an_unknown_flag_suggests_what_it_means_in_other_programs():
    for flag, meant in (
        ("--content_img=x", "--content PHOTO"),
        ("--style", "--styles PAINTING [PAINTING ...]"),
        ("-original_colors", "--preserve_colors"),
    ):
        with pytest.raises(UsageError) as caught:
            parse(flag)
        assert str(caught.value) == f"unknown flag --{flag.strip('-').partition('=')[0]}; did you mean {meant}?"


def test_an_unknown_flag_far_from_all_points_to_help():
    with pytest.raises(UsageError, match=r"^unknown flag --zzzzzzzz; .*--help"):
        parse("--zzzzzzzz")


@pytest.mark.parametrize("flag", ["--help=yes", "--version=2"])
def test_a_suggestion_is_never_what_was_typed(flag):
    name = flag.partition("=")[0]
    with pytest.raises(UsageError) as caught:
        parse(flag)
    assert f"did you mean {name}?" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--iterations"], "--iterations: expected a whole number after it, got nothing"),
        (["--iterations", "--overwrite"], "--iterations: expected a whole number after it, got nothing"),
        (["--iterations", "1e3"], "--iterations: expected a whole number, got '1e3'"),
        (["--iterations=1.5"], "--iterations: expected a whole number, got '1.5'"),
        (["--iterations="], "--iterations: expected a whole number, got ''"),
        (["--content-weight", "1,5"], "--content_weight: expected a number, got '1,5'"),
        (
            ["--style-scales", "1", "big"],
            "--style_scales: expected a number (or several, with spaces between), got",
        ),
        (
            ["--style-scales"],
            "expected a number (or several, with spaces between) after it, got nothing",
        ),
        (["--overwrite=maybe"], "--overwrite: expected true or false, got 'maybe'"),
        (["--pooling", "mean"], "--pooling: expected one of max, avg, l2, got 'mean'"),
        (
            ["--style-loss", "gram", "gray"],
            "--style_loss: expected one of gram, mean_std, wasserstein, covariance, got",
        ),
        (["--optimizer=momentum"], "--optimizer: expected one of lbfgs, adam, scipy, sgd, got 'momentum'"),
        (["stray.jpg"], "--content: expected one value, got 'photo.jpg' and 'stray.jpg'"),
        (["--overwrite", "stray.jpg"], "got 'stray.jpg'"),
        (["--content", "a.jpg", "b.jpg"], "--content: expected one value, got 'a.jpg' and 'b.jpg'"),
        (["--preset", "athalye", "johnson"], "--preset: expected one value, got 'athalye' and 'johnson'"),
        (["--init=gray", "noise"], "expected a flag such as --content, got 'noise'"),
        (["--"], "got '--'"),
        (["---width"], "got '---width'"),
        ([""], "got ''"),
    ],
    ids=str,
)
def test_a_malformed_command_line_is_told_by_its_flag(arguments, said):
    with pytest.raises(UsageError) as caught:
        flags.parse([*NEEDED[2:], *NEEDED[:2], *arguments])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--styles=a.jpg"], "--content"),
        (["--content=a.jpg"], "--styles"),
        (["--width=64"], "--content and --styles"),
    ],
)
def test_missing_pictures_are_told_with_an_example(arguments, wanted):
    with pytest.raises(
        UsageError, match=f"^expected {wanted}, got none; for example: --content photo.jpg --styles painting.jpg"
    ):
        flags.parse(arguments)
