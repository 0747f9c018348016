"""The progress of a load, a bar for each of its steps."""

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from local.data.focus.workspace import Watch


def bars(console: Console) -> Progress:
    """Return the bars that a load shows on the console."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console)


def watching(progress: Progress) -> Watch:
    """Return a function that shows each step of a load as a bar of its own."""
    tasks: dict[str, TaskID] = {}

    def watch(step: str, share: float | None) -> None:
        if step not in tasks:
            for task in tasks.values():
                progress.stop_task(task)
            tasks[step] = progress.add_task(step, total=None)
        progress.update(tasks[step], total=None if share is None else 1.0, completed=share or 0.0)

    return watch
