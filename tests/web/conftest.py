"""The fixtures of tests.organizations serve these tests too."""

from tests.organizations.conftest import made, product, rows, serving

__all__ = ["made", "product", "rows", "serving"]
