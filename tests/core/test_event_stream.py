import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleeting.core.event_stream import BEAT, Event, EventReader, write_beat, write_event

LINES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n"), min_size=1)
EVENTS = st.lists(
    st.one_of(
        st.builds(Event, st.sampled_from(["revoked", "reset"]), LINES, LINES),
        st.builds(Event, st.just(BEAT), st.just(""), LINES),
    ),
    max_size=5,
)


def written(event):
    if event.name == BEAT:
        return write_beat(event.id)
    return write_event(event.name, event.data, event.id)


@given(EVENTS, st.integers(1, 20))
def test_events_are_read_as_they_were_written_however_they_are_cut_up(events, size):
    text = b"retry: 500\n\n" + b"".join(map(written, events))
    reader, read = EventReader(), []
    for start in range(0, len(text), size):
        read += reader.feed(text[start : start + size])
    assert read == events


def test_a_browser_s_rules_are_followed_where_others_write_the_stream():
    reader = EventReader()
    text = b"data: a\r\ndata:b\r\nid:7\r\n\r\n: some comment\n\nfield\n\ndata: c\n\nevent: x\n\n"
    assert [*reader.feed(text)] == [Event("message", "a\nb", "7"), Event("message", "c", "7")]


def test_an_event_without_end_is_not_kept():
    reader = EventReader()
    assert [*reader.feed(b"data: " + b"x" * 60_000)] == []
    with pytest.raises(ValueError, match="too long"):
        [*reader.feed(b"x" * 60_000)]


def test_what_is_no_text_is_refused():
    with pytest.raises(ValueError, match="utf-8"):
        [*EventReader().feed(b"data: \xff\n\n")]
