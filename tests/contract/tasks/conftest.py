"""The receiver of deliveries takes tasks as well."""

from tests.delivery.receiver import receiver

__all__ = ["receiver"]
