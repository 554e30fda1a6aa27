from fleeting.cli.problem_text import length_of_word, problem_text
from fleeting.policy import Problem

SOURCE = 'one\n\t  word "a \\" b" \x1b[31m;\r\nthree'


def told(column, line=2, message="m", hint=""):
    return str(problem_text(Problem("a.cedar", line, column, message, hint), SOURCE))


def test_the_caret_stands_below_the_word_or_string_though_there_are_tabs():
    assert told(4).splitlines()[1:] == [
        '   2 | \t  word "a \\" b" \\u001b[31m;',
        "     | \t  ^^^^",
    ]
    assert told(9).splitlines()[2] == "     | \t       ^^^^^^^^"


def test_nothing_that_steers_a_terminal_or_a_ci_system_gets_through():
    text = told(1, message="a\n::error::b\x1b[2J", hint="\u202ec")
    assert text.splitlines()[0] == "a.cedar:2:1: a\\u000a::error::b\\u001b[2J"
    assert text.splitlines()[-1] == "   \\u202ec"


def test_where_there_is_no_such_line_none_is_shown():
    assert told(1, line=9) == "a.cedar:9:1: m\n"
    assert length_of_word(Problem("a.cedar", 9, 1, "m"), SOURCE) == 1
    assert str(problem_text(Problem("a.cedar", 1, 1, "m"), "")) == "a.cedar:1:1: m\n"
