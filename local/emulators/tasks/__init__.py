"""Cloud Tasks on one machine, over its REST API."""

from local.emulators.tasks.server import TasksEmulator

__all__ = ["TasksEmulator"]
