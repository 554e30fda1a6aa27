import json

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleeting.policy import PolicyProblems, PolicySource
from fleeting.policy.formatting import format_source


def formatted(text):
    return format_source(PolicySource("x.cedar", text))


def test_policies_are_laid_out_as_the_editor_does():
    scope = 'principal in Group::"support",action==Action::"a:b",resource'
    text = f'@id("a") @uses("1") permit({scope})when{{1<2}};'
    assert formatted(text) == (
        '@id("a")\n'
        '@uses("1")\n'
        "permit (\n"
        '  principal in Group::"support",\n'
        '  action == Action::"a:b",\n'
        "  resource\n"
        ")\n"
        "when { 1 < 2 };\n"
    )


def test_comments_and_single_blank_lines_stay():
    text = (
        "\n\n// head\n//\n// more\n\n\n\n// of a\n"
        "permit (principal, action, resource); // after a\r\n"
        "   // of b\n"
        "permit (principal, action, resource);\n\n\n\n// end\n\n"
    )
    assert formatted(text) == (
        "// head\n//\n// more\n\n// of a\n"
        "permit (principal, action, resource); // after a\n"
        "// of b\n"
        "permit (principal, action, resource);\n\n// end\n"
    )


def test_policies_stand_a_blank_line_apart():
    one = "permit (principal, action, resource);"
    assert formatted(f"{one} {one}\n{one}") == f"{one}\n\n{one}\n\n{one}\n"


@pytest.mark.parametrize(
    ("text", "after"), [("", ""), (" \n\n", ""), ("// only\n\n\n\n// this", "// only\n\n// this\n")]
)
def test_a_file_without_policies_keeps_its_comments(text, after):
    assert formatted(text) == after


def test_every_syntax_error_is_told_at_its_place():
    good = "permit (principal, action, resource);\n"
    with pytest.raises(PolicyProblems) as caught:
        formatted(f"permit(principal);\n{good}  permit(principal, action, resorce);\n")
    assert [(each.line, each.column, each.rule) for each in caught.value.problems] == [
        (1, 1, "syntax"),
        (3, 29, "syntax"),
    ]


def test_what_the_formatter_would_spoil_stays_as_it_is(monkeypatch):
    text = "permit (principal,action, resource) when { true /* */ };".replace("/* */", "\n// why\n")
    for spoilt in (
        "permit(principal, action, resource);",
        "permit(principal, action, resource) when { true };",
    ):
        monkeypatch.setattr(cedarpy, "format_policies", lambda *_, spoilt=spoilt, **__: spoilt)
        assert formatted(text) == f"{text}\n"


PIECES = st.sampled_from(
    [
        *("// a comment", '// "quoted', "", "  ", '@id("a//b")', '@description("x\n  // y")'),
        "permit(principal,action,resource) // in\n when { context.a.b == 3 };",
        (
            'forbid(principal is User in Group::"g",action in [Action::"a",Action::"b"],resource)\n'
            'unless{context.limits.uses==1&&"; // no" == context.x||!(context.y like "a*")};'
        ),
    ]
)


@given(st.lists(PIECES, max_size=8))
@settings(max_examples=60, deadline=None)
def test_formatting_changes_no_meaning_loses_no_comment_and_is_done_once(pieces):
    text = "\n".join(pieces)
    try:
        meaning = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError:
        return
    once = formatted(text)
    assert json.loads(cedarpy.policies_to_json_str(once)) == meaning
    assert once.count("// ") == text.count("// ")
    assert formatted(once) == once
