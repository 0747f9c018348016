"""The fixtures of tests.conversations serve these tests too."""

from tests.conversations.conftest import nursery, product, serving

__all__ = ["nursery", "product", "serving"]
