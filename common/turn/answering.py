"""The models that may answer one turn: the chosen one, and those that stand in while it does not answer."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from common.agents.loop import AgentLoop
from common.errors import ServiceError
from common.models.call import Completion
from common.models.catalog import Model
from common.models.fallback import Candidate, FallbackCompletion
from common.organizations.organization import Credential
from common.organizations.serving import Served
from common.secret import Secret
from common.telemetry.log import Log
from common.tenant import OrgSlug
from common.turn.admission import Slot
from common.turn.drafting import Check, DraftingCompletion
from common.turn.silence import LendingCompletion

OpenKey = Callable[[Credential | None], Awaitable[Secret]]


class AnsweringModels:
    """Puts a turn's fallback and its place around the models that its loop asks, and knows which one answered."""

    def __init__(
        self,
        chosen: Model,
        fallback: Sequence[Served],
        open_key: OpenKey,
        slot: Slot,
        log: Log,
        org: OrgSlug,
        metered: Callable[[Completion], Completion],
        fast: tuple[Model, Check] | None = None,
    ) -> None:
        """``metered`` puts around a provider's calls what counts each of them.

        ``fast`` is the model that drafts, and the check of what it says.
        """
        self._chosen = chosen
        self._fallback = fallback
        self._open_key = open_key
        self._slot = slot
        self._log = log
        self._org = org
        self._metered = metered
        self._fast = fast
        self._plain: Completion | None = None
        self._completion: FallbackCompletion | None = None
        self._drafting: DraftingCompletion | None = None

    def over(self, loop: AgentLoop) -> AgentLoop:
        """The loop that asks these models."""
        return loop.over(self._wrap)

    @property
    def model(self) -> Model:
        """The model that answers, or the chosen one as long as no other was asked."""
        drafting = self._drafting and self._drafting.model
        return drafting or (self._completion and self._completion.model) or self._chosen

    @property
    def fallback_from(self) -> str | None:
        """The chosen provider and model, where another one answers."""
        model = self.model
        if model is self._chosen or (self._fast is not None and model is self._fast[0]):
            return None
        return f"{self._chosen.provider}/{self._chosen.model_id}"

    @property
    def beside(self) -> Completion:
        """The chosen model, for a call beside the turn's own: it is counted with them, and nothing stands in for it."""
        assert self._plain is not None
        return self._plain

    def _wrap(self, completion: Completion) -> Completion:
        candidates = [Candidate(each.model, partial(self._open_key, each.credential)) for each in self._fallback]
        self._plain = self._metered(completion)
        # Not a method: the fallback would hold these models, which hold it.
        moved = partial(_note, self._log, self._org, self._chosen)
        self._completion = FallbackCompletion(self._metered(completion), candidates, moved)
        if self._fast is None:
            return LendingCompletion(self._completion, self._slot)
        model, check = self._fast
        self._drafting = DraftingCompletion(model, self._metered(completion), self._completion, check)
        return LendingCompletion(self._drafting, self._slot)


def _note(log: Log, org: OrgSlug, chosen: Model, model: Model, error: ServiceError) -> None:
    """Log that another model than the chosen one is asked, and why."""
    log.info(
        "model.fallback",
        org=org,
        provider=model.provider,
        model_id=model.model_id,
        fallback_from=f"{chosen.provider}/{chosen.model_id}",
        code=error.code,
    )
