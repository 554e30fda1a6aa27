"""``fleeting policy``: say what is wrong with a set of policies, or that nothing is."""

from typing import TYPE_CHECKING, Any

from fleeting.cli.groups import add, group
from fleeting.cli.options import AsJson, Config
from fleeting.cli.terminal import counted, err, fail, say, say_json

if TYPE_CHECKING:
    from fleeting.policy import Problem

app = group("policy", "Check the policies of an installation.", "fleeting policy check")


def check(config: Config = None, *, as_json: AsJson = False) -> None:
    """Find every error in the policies, each with its place and what was probably meant.

    They are parsed, checked against the declared operation types, and linted, as 'fleeting serve'
    does when it starts. The exit code is 1 if anything is wrong.
    """
    from fleeting.policy import PolicyProblems, load_policies
    from fleeting.server.installing import policy_sources, policy_world
    from fleeting.server.settings import config_path, load_settings

    settings = load_settings(config_path(config))
    sources = policy_sources(settings.policies)
    try:
        bundle = load_policies(sources, policy_world(settings))
    except PolicyProblems as found:
        texts = {source.name: source.text for source in sources}
        _complain(found.problems, texts, as_json=as_json)
        fail()
    count, files = len(bundle.policies), len(sources)
    if as_json:
        say_json(_report((), policies=count, files=files, digest=bundle.digest))
        return
    say(f"{counted(count, 'policy', 'policies')} in {counted(files, 'file')}: nothing wrong")
    if not count:
        say("(with no policy, nothing is permitted)")


def _complain(problems: tuple["Problem", ...], texts: dict[str, str], *, as_json: bool) -> None:
    from fleeting.cli.problem_text import problem_text

    if as_json:
        say_json(_report(problems, files=len(texts)))
        return
    for problem in problems:
        err().print(problem_text(problem, texts.get(problem.file, "")))
    err().print(f"{counted(len(problems), 'problem')} in {counted(len(texts), 'file')}")


def _report(problems: tuple["Problem", ...], **facts: Any) -> dict[str, Any]:  # noqa: ANN401 -- JSON
    from dataclasses import asdict

    return {"ok": not problems, **facts, "problems": [asdict(problem) for problem in problems]}


add(
    app,
    check,
    "fleeting policy check -c my-installation/fleeting.toml",
    "fleeting policy check --json | jq '.problems[].message'",
)
