"""What Cloud Build asks after an apply, of the product as it is served here; gcloud alone is stood in for."""

import json
import os
import shutil
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from local.data.organizations import API_KEYS
from tests.api.conftest import Product, product
from tests.infra.conftest import unavailable
from tests.infra.workspace import ROOT

__all__ = ["product"]

ACCOUNT = "frontend@my-project.iam.gserviceaccount.com"
# Says a token as Cloud Run passes it on, without its signature, and a secret: the key of the organisation, which the
# test put into the environment.
GCLOUD = """#!/usr/bin/env bash
case "$1 $2" in
  "auth print-identity-token") echo "$ID_TOKEN" ;;
  "secrets versions") [[ -n $SMOKE_KEY ]] && echo "$SMOKE_KEY" ;;
  *) exit 1 ;;
esac
"""
CLAIMS = ({"alg": "RS256", "kid": "1", "typ": "JWT"}, {"iss": "https://accounts.google.com", "aud": "https://send"})
ID_TOKEN = ".".join(urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in CLAIMS)
Smoke = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def smoke(product: Product, tmp_path: Path) -> Smoke:
    """Run the script after an apply of an external load balancer that leads to the product."""
    if shutil.which("curl") is None:
        unavailable("no curl on the PATH")
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(GCLOUD)
    gcloud.chmod(0o755)
    paths = ("/health/ready", "/api/v1/chat/{org_slug}/stream")
    endpoints = {path: {"url": f"{product.url}{path}", "audience": product.url} for path in paths}
    outputs = {"load_balancer": {"value": {"kind": "external"}}, "endpoints": {"value": endpoints}}
    (tmp_path / "outputs.json").write_text(json.dumps(outputs))

    def run(*arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(ROOT / "terraform" / "smoke.sh"), *arguments],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "SMOKE_KEY": key,
                "ID_TOKEN": f"{ID_TOKEN}.SIGNATURE_REMOVED_BY_GOOGLE",
                "SMOKE_RETRIES": "0",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


def test_a_question_is_asked_and_its_answer_rests_on_a_query(smoke: Smoke) -> None:
    done = smoke("apply", ACCOUNT, "acme_inc", "smoke-key", key=API_KEYS["acme_inc"])
    assert done.returncode == 0, done.stderr
    assert '"status"' in done.stdout
    assert "AWS" in done.stdout


def test_a_key_that_is_refused_fails_the_build(smoke: Smoke) -> None:
    done = smoke("apply", ACCOUNT, "acme_inc", "smoke-key", key="nonsense")
    assert done.returncode != 0
    assert "401" in done.stderr


def test_without_a_secret_health_alone_is_asked_and_that_is_said(smoke: Smoke) -> None:
    done = smoke("apply", ACCOUNT, "", "")
    assert done.returncode == 0, done.stderr
    assert "No question was asked" in done.stdout


@pytest.mark.parametrize("phase", ["check", "plan"])
def test_nothing_is_asked_where_nothing_was_applied(smoke: Smoke, phase: str) -> None:
    done = smoke(phase, ACCOUNT, "acme_inc", "smoke-key")
    assert (done.returncode, done.stdout) == (0, "Nothing was applied.\n")
