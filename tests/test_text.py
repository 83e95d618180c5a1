"""Durations, sizes, rates and plurals: what is written, what is read, and what is refused with which words."""

import pytest

from naru.text import Units, count, duration, one_line, parse_duration, parse_rate, plural, shortened, size

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (45.2, "45 s"),
        (65, "1 min 05 s"),
        (3599.7, "1 h 00 min"),
        (12000, "3 h 20 min"),
    ],
)
def test_durations_read_well(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_durations_in_other_units() -> None:
    units = Units("시간 ", "분 ", "분", "초")
    assert [duration(seconds, units) for seconds in (0.2, 725, 12000)] == ["0.2초", "12분 05초", "3시간 20분"]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 << 19, "1.5 MiB"),
        (5 << 30, "5.0 GiB"),
        (2048 << 40, "2048.0 TiB"),
    ],
)
def test_sizes(amount: float, expected: str) -> None:
    assert size(amount) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30.0), ("0.5s", 0.5), ("10m", 600.0), ("1.5h", 5400.0), ("2d", 172800.0)]
)
def test_durations_are_read(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "10", "0s", "0.0h", "-1s", "1 h", "1w", "h", "1e3s", "10M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; like 30s, 10m or 1h"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1.0), ("500K", 512000.0), ("80M", 80.0 * (1 << 20)), ("1.5G", 1.5 * (1 << 30))]
)
def test_rates_are_read(text: str, expected: float) -> None:
    assert parse_rate(text) == expected


@pytest.mark.parametrize("text", ["", "0", "0M", "-1", "80m", "80 M", "80MB", "fast", "nan"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a rate; like 500K, 80M or 1\.5G, in bytes a second"):
        parse_rate(text)


def test_plurals() -> None:
    assert [plural("port", number) for number in (0, 1, 2)] == ["ports", "port", "ports"]
    assert [count(number, "step") for number in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]


def test_shortened() -> None:
    assert shortened("abc", 3) == ["a", "b", "c"] and shortened((), 3) == []
    assert shortened(iter("abcde"), 3) == ["a", "b", "c", "and 2 more"]
    assert shortened("ab", 1, ": see there") == ["a", "and 1 more: see there"]


def test_one_line() -> None:
    assert one_line("\n a\tb\r\n\nc ", 5) == "a b c" and one_line("abcdef", 3) == "abc" and one_line(" \n", 9) == ""
