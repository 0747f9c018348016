"""A secret in the clear."""

import traceback

import pytest

from common.secret import Secret, SecretDropped


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("sk-planted")
    assert secret.reveal() == "sk-planted"
    assert "planted" not in f"{secret} {secret!r} {[secret]}"


def test_a_dropped_secret_is_gone() -> None:
    secret = Secret("sk-planted")
    secret.drop()
    with pytest.raises(SecretDropped) as caught:
        secret.reveal()
    assert "planted" not in "".join(traceback.format_exception(caught.value))
