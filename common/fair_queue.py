"""A queue that shares out a few places by organisation: so many of one, so many of all; who waits takes turns."""

from collections import Counter, OrderedDict, deque
from typing import Generic, TypeVar

from common.tenant import OrgSlug

Item = TypeVar("Item")


class FairQueue(Generic[Item]):
    """Items that wait for a place, each for its organisation. It takes no lock: its owner has one, or one thread."""

    def __init__(self, of_one: int, of_all: int) -> None:
        self._of_one = of_one
        self._of_all = of_all
        self._running: Counter[OrgSlug] = Counter()
        self._lent = 0
        # In the order in which organisations get the next place; none of them is here without an item.
        self._waiting: OrderedDict[OrgSlug, deque[Item]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """The number of items that wait for a place."""
        return sum(len(items) for items in self._waiting.values())

    def waiting_of(self, org: OrgSlug) -> int:
        """Count the items of one organisation that wait for a place."""
        return len(self._waiting.get(org, ()))

    def enter(self, org: OrgSlug) -> bool:
        """Take a place at once, if there is one and nothing of the organisation waits for it."""
        if org in self._waiting or not self._free(org):
            return False
        self._running[org] += 1
        return True

    def put(self, org: OrgSlug, item: Item) -> None:
        """Let an item wait for its turn."""
        self._waiting.setdefault(org, deque()).append(item)

    def take(self) -> tuple[OrgSlug, Item] | None:
        """Give a free place to the organisation whose turn it is. Returns None if there is none, or nobody for it."""
        org = next((org for org in self._waiting if self._free(org)), None)
        if org is None:
            return None
        item = self._waiting[org].popleft()
        self._running[org] += 1
        self._waiting.move_to_end(org)
        if not self._waiting[org]:
            del self._waiting[org]
        return org, item

    def leave(self, org: OrgSlug) -> None:
        """Give a place back."""
        self._running[org] -= 1
        if not self._running[org]:
            del self._running[org]

    def lend(self) -> bool:
        """Let a place that is taken count for its own organisation alone; false where as many are lent as there are."""
        if self._lent >= self._of_all:
            return False
        self._lent += 1
        return True

    def take_back(self) -> None:
        """Let a lent place count for all again."""
        self._lent -= 1

    def remove(self, org: OrgSlug, item: Item) -> None:
        """Take back an item that still waits."""
        items = self._waiting[org]
        items.remove(item)
        if not items:
            del self._waiting[org]

    def clear(self) -> list[Item]:
        """Take back everything that waits."""
        items = [item for waiting in self._waiting.values() for item in waiting]
        self._waiting.clear()
        return items

    def _free(self, org: OrgSlug) -> bool:
        return self._running.total() - self._lent < self._of_all and self._running[org] < self._of_one
