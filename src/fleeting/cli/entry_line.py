"""One entry of the ledger as a line: when, what, who, and the id of its story."""

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fleeting.cli.words import entry_ids, entry_words, shown_time
from fleeting.core.evidence import ChainedEntry, EntryKind

_KIND_WIDTH = 16
_STYLES = {
    EntryKind.TOKEN_ISSUED: "green",
    EntryKind.TOKEN_SPENT: "green",
    EntryKind.CALL_SERVED: "green",
    EntryKind.REQUEST_REFUSED: "red",
    EntryKind.SPEND_REFUSED: "red",
    EntryKind.CALL_REFUSED: "red",
    EntryKind.TOKEN_REVOKED: "yellow",
    EntryKind.REQUEST_APPROVED: "green",
    EntryKind.REQUEST_DENIED: "red",
    EntryKind.REQUEST_REVOKED: "yellow",
    EntryKind.ACCESS_REVOKED: "yellow",
    EntryKind.REVIEW_OPENED: "yellow",
    EntryKind.ACTION_REFUSED: "red",
    EntryKind.SIGN_IN_REFUSED: "red",
}


def entry_line(chained: ChainedEntry) -> Text:
    """Return one entry as one line, however long."""
    when, kind, words = _parts(chained)
    kind.pad_right(max(0, _KIND_WIDTH - len(kind)))
    return Text.assemble(when, "  ", kind, "  ", words)


def entry_row(chained: ChainedEntry) -> RenderableType:
    """Return one entry for a terminal: what is too long goes on below its beginning."""
    when, kind, words = _parts(chained)
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, min_width=_KIND_WIDTH)
    table.add_column(overflow="fold")
    table.add_row(when[11:], kind, words)
    return table


def _parts(chained: ChainedEntry) -> tuple[Text, Text, Text]:
    entry = chained.entry
    id_ = entry_ids(entry)
    words = Text.assemble(entry_words(entry), (f"  [{id_}]" if id_ else "", "dim"))
    kind = Text(entry.kind.value, _STYLES.get(entry.kind, ""))
    return Text(shown_time(entry.at), "dim"), kind, words
