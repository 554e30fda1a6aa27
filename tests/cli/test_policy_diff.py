import json
import shutil
import subprocess

import pytest

ODD = """
@id("local") @lifetime("60s") @uses("1")
permit (principal, action == Action::"payment_refund:refund", resource)
when { ip("10.0.0.1").isLoopback() };
"""


@pytest.fixture
def candidate(config):
    """A copy of the policies, to be changed."""

    def candidate(old="", new="", more=""):
        directory = config.parent / "candidate"
        shutil.copytree(config.parent / "policies", directory, dirs_exist_ok=True)
        path = directory / "refunds.cedar"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new) + more)
        return directory

    return candidate


def test_sets_that_decide_alike_are_proved_so(fleeting, config, candidate):
    done = fleeting("policy", "diff", "-c", config, "policies", candidate("<= 5000 }", "< 5001 }"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "proved: both sets decide every request alike\n"


def test_a_difference_is_shown_with_a_request_and_both_decisions(fleeting, config, candidate):
    directory = candidate("<= 500000 }", "<= 400000 }")
    done = fleeting("policy", "diff", "-c", config, directory)
    assert done.exit_code == 1
    assert done.stdout.startswith("newly permitted  payment_refund:refund  'large-refunds'\n")
    assert "    old                    denied (no permit)\n" in done.stdout
    assert "    new                    needs approval by 'large-refunds' (here/pol" in done.stdout
    assert done.stdout.endswith("1 difference\n")


def test_a_program_reads_the_differences(fleeting, config, candidate):
    directory = candidate('"1")\n@approval', '"2")\n@approval')
    done = fleeting("policy", "diff", "-c", config, "policies", directory, "--json")
    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert report["equivalent"] is False
    (found,) = report["differences"]
    assert (found["change"], found["policy"]) == ("newly denied", "large-refunds")
    assert found["new"]["forbids"] == ["refunds-are-single-use"]
    assert found["old"]["limits"]["approval"] == "2 of payments-leads"


def test_a_forbid_that_denies_anew_is_named(fleeting, config, candidate):
    directory = candidate('"1")\n@approval', '"2")\n@approval')
    done = fleeting("policy", "diff", "-c", config, "policies", directory)
    assert (
        "denied (forbidden by 'refunds-are-single-use' (here/candidate/caps.cedar:5))"
        in done.stdout
    )


def test_what_is_not_proved_is_said(fleeting, config, candidate):
    directory = candidate(more=ODD)
    done = fleeting("policy", "diff", "-c", config, "policies", directory)
    assert done.exit_code == 3
    assert "not proved: there may be other differences" in done.stdout
    assert "policy 'local' uses isLoopback, which is not modelled" in done.stdout
    assert fleeting("policy", "diff", "-c", config, directory, "--allow-unproved").exit_code == 0


def git(directory, *arguments):
    names = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    subprocess.run(["git", "-C", directory, *names, *arguments], check=True, capture_output=True)


def test_a_git_revision_is_the_policies_as_they_were(fleeting, config, candidate):
    here = config.parent
    git(here, "init", "-q")
    git(here, "add", ".")
    git(here, "commit", "-qm", "one")
    assert fleeting("policy", "diff", "-c", config, "HEAD").exit_code == 0
    path = here / "policies" / "refunds.cedar"
    path.write_text(path.read_text().replace("<= 5000 }", "<= 6000 }"))
    done = fleeting("policy", "diff", "-c", config, "HEAD:policies")
    assert done.exit_code == 1
    assert "(HEAD:policies/refunds.cedar:22)" in done.stdout
    done = fleeting("policy", "diff", "-c", config, "HEAD:keys")
    assert "HEAD has no policies (*.cedar) in keys" in done.stderr


@pytest.mark.parametrize("name", ["nowhere", "--all", "0123456789ab", ":policies"])
def test_what_is_no_set_is_told_with_what_one_is(fleeting, config, name):
    done = fleeting("policy", "diff", "-c", config, "--", name)
    assert done.exit_code == 1
    assert "is no directory, no git revision and no digest of a recorded set" in done.stderr


def test_a_set_that_cannot_be_loaded_is_told_with_its_problems(fleeting, config, candidate):
    directory = candidate("context.operation.amount <= 5000", "context.operation.amuont <= 5000")
    done = fleeting("policy", "diff", "-c", config, directory)
    assert done.exit_code == 1
    assert "cannot be loaded with today's fleeting.toml:\n" in done.stderr
    assert "amuont" in done.stderr
