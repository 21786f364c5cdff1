import pytest

from neural_style.config import byte_sizes
from neural_style.errors import UsageError

GB = 10**9


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("auto", None),
        ("3GB", 3 * GB),
        ("800MB", 800 * 10**6),
        ("2.5GiB", 5 * 2**29),
        ("1 TB", 10**12),
        (" 64 mib ", 2**26),
        ("0.5kb", 500),
        ("7B", 7),
    ],
)
def test_sizes(text, size):
    assert byte_sizes.parse(text) == size


@pytest.mark.parametrize(
    "text",
    [
        *("nonsense", "", "3", "GB", "-3GB", "3 G", "3,5GB", "1e3GB", "0GB", "0.0MB", "0.1B", "3iB", "3GBs", "infGB"),
        *("AUTO", "9" * 400 + "GB", "2000000TB", "3GB\n4GB"),
    ],
)
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match=r"^memory: expected auto or a size such as 3GB, .*, got ") as caught:
        byte_sizes.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "words"),
    [(2.94e9, "2.94 GB"), (12_345_678_901, "12.3 GB"), (GB, "1 GB"), (812_400_000, "812 MB"), (0, "0 MB")],
)
def test_sizes_for_people(size, words):
    assert byte_sizes.describe(size) == words


@pytest.mark.parametrize(
    ("size", "flag"),
    [
        (3 * GB, "3GB"),
        (2_949_999_999, "2.94GB"),
        (10**7, "0.01GB"),
        (123_456_780_000, "123.45GB"),
        (2 * 10**15, "2000000GB"),
    ],
)
def test_flags(size, flag):
    """Rounded down, so that a limit is kept."""
    assert byte_sizes.flag(size) == flag
    assert byte_sizes.parse(flag) <= size
    assert byte_sizes.flag(byte_sizes.parse(flag)) == flag


def test_every_flag_says_the_same_when_it_is_read_again():
    for size in range(10**7, 20 * GB, 98_765_432):
        assert byte_sizes.flag(byte_sizes.parse(byte_sizes.flag(size))) == byte_sizes.flag(size)
