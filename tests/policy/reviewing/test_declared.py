from fleeting.policy import PolicySource
from fleeting.policy.reviewing import Declared


def test_a_warning_about_the_settings_stands_where_the_first_pattern_is_found():
    declared = Declared(settings=PolicySource("x.toml", "a\n[b]\n  c = 1"))
    found = declared.warn("look-alike", "m", "h", patterns=["zzz", "c =", r"^\[b\]"])
    assert (found.file, found.line, found.column, found.severity) == ("x.toml", 3, 3, "warning")
    at_start = declared.warn("look-alike", "m", "h", patterns=[r"^\[b\]"])
    assert (at_start.line, at_start.column) == (2, 1)
    nowhere = declared.warn("look-alike", "m", "h", patterns=["zzz"])
    assert (nowhere.line, nowhere.column) == (1, 1)


def test_without_a_file_it_is_the_usual_one():
    assert Declared().settings.name == "fleeting.toml"
