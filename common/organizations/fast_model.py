"""The fast model of an organisation's settings: a listed model of the same provider, paid for by the same key."""

from common.errors import SetupRequired, Unprocessable
from common.models.catalog import Model
from common.organizations.offering import Offering
from common.organizations.organization import ChatSettings
from common.organizations.serving import calls_tools, same_provider
from common.organizations.settings_change import SettingsChange

_NOT_LISTED = "fast_model_id: {provider} has no listed model of this name. Choose one of GET /settings/models, or null."
_SAME = "fast_model_id: it is the model of the settings itself. Choose a smaller one, or null."
_NO_TOOLS = "fast_model_id: this model cannot call tools, so it cannot draft answers. Choose another one, or null."


def choose_fast_model(old: ChatSettings | None, change: SettingsChange, main: Model, offering: Offering) -> str | None:
    """The fast model that the settings will have beside ``main``; None for none. Raises Unprocessable.

    One that was set before goes away with its provider, or when it becomes the model itself.
    """
    if "fast_model_id" not in change.model_fields_set:
        kept = old.fast_model_id if old is not None and same_provider(old.provider, main.provider) else None
        return kept if kept != main.model_id else None
    wanted = change.fast_model_id
    if wanted is None:
        return None
    if not offering.lists(main.provider, wanted):
        raise Unprocessable(_NOT_LISTED.format(provider=main.provider))
    model = offering.resolve(main.provider, wanted)
    if model.litellm_name == main.litellm_name:
        raise Unprocessable(_SAME)
    if not model.tools:
        raise Unprocessable(_NO_TOOLS)
    return wanted


def fast_model_of(settings: ChatSettings, main: Model, offering: Offering) -> Model | None:
    """The model that drafts; None where none is set, it is not served any more, or ``main`` calls no tools."""
    if settings.fast_model_id is None or not calls_tools(main, settings.calls_tools):
        return None
    try:
        model = offering.resolve(main.provider, settings.fast_model_id)
    except SetupRequired:
        return None
    return model if model.tools and model.litellm_name != main.litellm_name else None
