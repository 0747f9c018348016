"""The error tree: statuses, stable codes, and sentences that may be shown."""

import inspect
import re

import pytest

from common import errors
from common.errors import ServiceError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, ServiceError)]


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_drawn_in_the_tree_with_its_status_and_code(error: type[ServiceError]) -> None:
    if error is ServiceError:
        return
    assert re.search(rf"{error.__name__} {error.status} {error.code}\b", errors.__doc__ or "")


def test_codes_are_unique() -> None:
    codes = [error.code for error in CLASSES]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_a_detail_is_a_sentence(error: type[ServiceError]) -> None:
    assert error.detail.endswith(".")
    assert error.detail[0].isupper()
