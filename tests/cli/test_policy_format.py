import json
import stat

UGLY = '@id("x") permit(principal,action,resource)when{context has actor};'
NEAT = '@id("x")\npermit (principal, action, resource)\nwhen { context has actor };\n'


def test_a_fresh_installation_is_formatted_already(fleeting, config):
    done = fleeting("policy", "format", "--check", "-c", config)
    assert (done.exit_code, done.stdout) == (0, "2 files: formatted already\n")


def test_all_policies_of_the_installation_are_formatted(fleeting, config):
    for name in ("caps", "refunds"):
        path = config.parent / "policies" / f"{name}.cedar"
        path.write_text(path.read_text().replace("(\n  principal", "(principal"))
    done = fleeting("policy", "format", "-c", config)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "formatted here/policies/caps.cedar\nformatted here/policies/refunds.cedar\n"
    )
    assert fleeting("policy", "format", "-c", config).stdout == "2 files: formatted already\n"
    assert fleeting("policy", "check", "-c", config, "--strict").exit_code == 0


def test_files_may_be_named_and_need_no_installation(fleeting, tmp_path):
    path = tmp_path / "x.cedar"
    path.write_text(UGLY)
    path.chmod(0o640)
    (tmp_path / "link.cedar").symlink_to(path)
    assert fleeting("policy", "format", "link.cedar").exit_code == 0
    assert path.read_text() == NEAT
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert (tmp_path / "link.cedar").is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.cedar", "x.cedar"]


def test_check_writes_nothing_and_fails_if_it_would(fleeting, tmp_path):
    path = tmp_path / "x.cedar"
    path.write_text(UGLY)
    done = fleeting("policy", "format", "--check", path)
    assert (done.exit_code, done.stdout) == (1, "would format x.cedar\n")
    assert path.read_text() == UGLY
    path.write_text(NEAT)
    assert fleeting("policy", "format", "--check", path).exit_code == 0


def test_the_difference_can_be_seen_first(fleeting, tmp_path):
    path = tmp_path / "x.cedar"
    path.write_text(f"{UGLY}\n")
    done = fleeting("policy", "format", "--diff", path)
    assert done.exit_code == 0
    assert done.stdout == (
        "--- x.cedar\n+++ x.cedar (formatted)\n@@ -1 +1,3 @@\n"
        f"-{UGLY}\n" + "".join(f"+{line}\n" for line in NEAT.splitlines())
    )
    assert path.read_text() == f"{UGLY}\n"


def test_what_stands_in_a_policy_does_not_steer_the_terminal(fleeting, tmp_path):
    path = tmp_path / "x.cedar"
    path.write_text(f"// \x1b[2Jgone\n{UGLY}\n")
    done = fleeting("policy", "format", "--diff", path)
    assert "\x1b" not in done.output
    assert " // \\u001b[2Jgone\n" in done.stdout


def test_a_file_with_a_syntax_error_is_left_alone_and_the_others_are_not(fleeting, tmp_path):
    (tmp_path / "a.cedar").write_text("permit(principal, action, resorce);")
    (tmp_path / "x.cedar").write_text(UGLY)
    done = fleeting("policy", "format", "a.cedar", "x.cedar")
    assert done.exit_code == 1
    assert "a.cedar:1:27: " in done.stderr
    assert done.stdout == "formatted x.cedar\n"
    assert (tmp_path / "a.cedar").read_text() == "permit(principal, action, resorce);"


def test_line_ends_of_other_systems_are_formatted_too(fleeting, tmp_path):
    path = tmp_path / "x.cedar"
    path.write_bytes(NEAT.replace("\n", "\r\n").encode())
    fleeting("policy", "format", path)
    assert path.read_bytes() == NEAT.encode()


def test_programs_read_what_was_done(fleeting, tmp_path):
    (tmp_path / "a.cedar").write_text("permit(principal);")
    (tmp_path / "x.cedar").write_text(UGLY)
    done = fleeting("policy", "format", "--json", "--check", "a.cedar", "x.cedar")
    report = json.loads(done.stdout)
    assert (report["written"], report["changed"]) == (False, ["x.cedar"])
    assert report["problems"][0]["file"] == "a.cedar"
    assert done.exit_code == 1


def test_what_is_no_text_is_told(fleeting, tmp_path):
    (tmp_path / "x.cedar").write_bytes(b"\xff\xfe")
    done = fleeting("policy", "format", "x.cedar")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: x.cedar is not UTF-8")


def test_where_nothing_can_be_written_nothing_is_left_behind(fleeting, tmp_path, monkeypatch):
    path = tmp_path / "x.cedar"
    path.write_text(UGLY)

    def full(*_arguments):
        raise OSError(28, "No space left on device", "x.cedar")

    monkeypatch.setattr("os.fsync", full)
    done = fleeting("policy", "format", "x.cedar")
    assert (done.exit_code, done.stderr) == (1, "error: x.cedar: No space left on device\n")
    assert [each.name for each in tmp_path.iterdir()] == ["x.cedar"]
    assert path.read_text() == UGLY
