import json
import shutil
import signal
import socket
import subprocess
import urllib.parse

import httpx
import pytest

from fleeting.server.settings import load_settings
from tests.cli.processes import PROGRAM, await_ready, free_port, process, serving


def test_what_init_writes_serve_serves(server):
    metadata = httpx.get(
        f"{server.issuer}/.well-known/oauth-authorization-server", trust_env=False
    ).json()
    assert metadata["issuer"] == server.issuer
    assert server.token().uses == 1


def test_on_sigterm_it_leaves_a_last_word_in_the_ledger_and_exits(config, fleeting):
    with serving(config) as (_, running):
        running.send_signal(signal.SIGTERM)
        running.wait(20)
    done = fleeting("audit", "tail", "-c", config, "--json")
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["policy.loaded", "server.started", "server.stopped", "checkpoint"]


def test_workers_and_bind_reach_the_worker_processes(config):
    port = free_port()
    with process("serve", "-c", config, "--workers", 2, "--bind", f"127.0.0.1:{port}") as running:
        await_ready(f"http://127.0.0.1:{port}/readyz", running)


def serve(config, *more):
    return subprocess.run(
        [PROGRAM, "serve", "-c", config, *more],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_taken_port_is_told_before_anything_starts(config):
    port = urllib.parse.urlsplit(load_settings(config, {}).issuer).port
    with socket.create_server(("127.0.0.1", port)):
        done = serve(config)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "--bind" in done.stderr


def test_a_bad_policy_stops_the_start_with_its_place(config):
    path = config.parent / "policies" / "caps.cedar"
    path.write_text(path.read_text().replace("context.limits.uses", "context.limits.usess"))
    done = serve(config)
    assert done.returncode == 1
    assert "caps.cedar:12:" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def outlived(config, fleeting, tmp_path):
    """An installation whose set in force, which is not the directory's, fits no longer."""
    other = tmp_path / "other"
    shutil.copytree(config.parent / "policies", other)
    (other / "ticket.cedar").write_text(
        '@id("ticket") forbid (principal, action, resource) when { !(context.request has ticket) };'
    )
    for words in (("db", "upgrade"), ("policy", "load"), ("policy", "load", other)):
        assert fleeting(*words, "-c", config).exit_code == 0
    config.write_text(config.read_text().replace("\nticket  =", "\nincident ="))
    return config


@pytest.mark.parametrize("workers", [1, 2])
def test_a_set_in_force_that_fits_no_longer_stops_the_start_once_with_the_way_out(
    outlived, fleeting, workers
):
    done = serve(outlived, "--workers", str(workers))
    assert done.returncode == 1
    assert done.stderr.count("ticket.cedar:1:") == 1
    assert "error: nothing can be served: the policy set" in done.stderr
    assert "fleeting policy load" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert fleeting("policy", "load", "-c", outlived).exit_code == 0
    with serving(outlived, "--workers", workers):
        pass


def test_a_signing_key_that_others_can_read_stops_the_start(config):
    (key,) = (config.parent / "keys" / "signing").glob("*.json")
    key.chmod(0o644)
    done = serve(config)
    assert done.returncode == 1
    assert f"chmod 600 {key}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_cannot_be_made_stops_the_start(config, tmp_path):
    text = config.read_text().replace("sqlite:///fleeting.db", "sqlite:///no/such/place.db")
    config.write_text(text)
    done = serve(config)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


def test_a_place_to_listen_that_is_none_is_a_usage_error(config):
    done = serve(config, "--bind", "8400")
    assert done.returncode == 2
    assert "HOST:PORT" in done.stderr
