"""``fleeting explain``: one request's whole story, from the first byte to the last use."""

import asyncio
from typing import Annotated

import typer

from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import CommandError, out, say_json


def explain(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A request id, a txn or a token's jti.")],
    config: Config = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell one request's whole story: who asked, what policy said and why, every use.

    An id comes with every refusal (request_id), with every token (txn, jti), and from 'fleeting
    audit tail'.
    """
    from fleeting.cli.reading import ledger_of, whole_story
    from fleeting.cli.story_text import story_json, story_text
    from fleeting.core.story import tell
    from fleeting.server.settings import config_path, load_settings

    settings = load_settings(config_path(config))
    try:
        with ledger_of(settings) as evidence:
            story = tell(asyncio.run(whole_story(evidence, id_)), id_)
    except ValueError as error:
        raise CommandError(f"{error}: 'fleeting audit verify' says what was altered") from error
    if story is None:
        raise CommandError(
            f"the ledger has no request, transaction or token {id_!r}: 'fleeting audit tail' lists "
            "the newest ids; a request that never reached this server has none"
        )
    if as_json:
        say_json(story_json(story))
    else:
        out().print(story_text(story))
