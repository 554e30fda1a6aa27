import pytest

from fleeting.policy.proving.literals import datetime_ms, decimal_units, duration_ms


@pytest.mark.parametrize(
    ("read", "text", "number"),
    [
        (decimal_units, "-1.25", -12_500),
        (decimal_units, "922337203685477.5807", 2**63 - 1),
        (datetime_ms, "1970-01-02", 86_400_000),
        (datetime_ms, "1970-01-01T00:00:01Z", 1000),
        (datetime_ms, "1970-01-01T00:00:00.005-0130", 5_400_005),
        (datetime_ms, "1969-12-31T23:59:59.999Z", -1),
        (datetime_ms, "0000-01-01", -62_167_219_200_000),
        (duration_ms, "1d2h3m4s5ms", 93_784_005),
        (duration_ms, "-1h", -3_600_000),
    ],
)
def test_a_literal_is_a_whole_number(read, text, number):
    assert read(text) == number


@pytest.mark.parametrize("read", [datetime_ms, duration_ms])
def test_anything_else_is_none(read):
    with pytest.raises(ValueError, match="is not a"):
        read("soon")
