"""Hold what came against what a step says."""


class StepFailedError(Exception):
    """Something went otherwise than a step says; the message says what was expected."""

    def __init__(self, what: str, expected: object, came: object) -> None:
        super().__init__(f"{what}\nexpected: {expected}\ncame:     {came}")


def expect(what: str, expected: object, came: object) -> None:
    """Compare.

    Raises:
        StepFailedError: *came* is not *expected*.
    """
    if came != expected:
        raise StepFailedError(what, expected, came)


def expect_told(what: str, text: str, *tells: str) -> None:
    """Look for each of *tells*.

    Raises:
        StepFailedError: *text* does not speak of one.
    """
    for told in tells:
        if told not in text:
            raise StepFailedError(what, told, text)
