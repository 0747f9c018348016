"""Says what can be asked, as far as the agents and tools of a request go."""

from local.demo_model.offers import Offer
from local.demo_model.tasks import AGENT_TOOLS, ALERTS, EXPLORER, USAGE

_COSTS = """I can answer questions about your organisation's costs, for example:

- **Spend** by provider, service, service category, team, region, model, day, week or month: \
"What did we spend per provider last month?"
- **The most expensive**: "Top 3 services by cost in September 2024"
- **Shares**: "What percentage of our spend is GenAI this year?"
- **Comparisons**, month to date or month, quarter or year over the one before: \
"Compare last month with the month before"
- **What changed**: "Why did GenAI spend jump last week?"
- **Forecasts** of up to 90 days: "Forecast the next 30 days\""""
_OTHERS = {
    ALERTS: """- **Alerts**: "List my alerts", "What alerts fired last week?", \
"Create an alert when spend exceeds 500 USD on AWS, critical\"""",
    USAGE: """- **Usage**: "How many tokens did we use last month?", "Cost per million tokens", \
"How much of our quota is left?", "Failed pipeline runs\"""",
    EXPLORER: """- **The data itself**: "Which tables do I have?", "Describe table cost_data_standard_1_3", \
or a SELECT of your own""",
}
_HOW = """Name a period (a month, a quarter, a year, "last 7 days", "from 2024-09-03 to 2024-09-10") and, if you like, \
a provider or kind of cost; then follow up with "and only AWS?" or "by team instead"."""


def abilities(offer: Offer) -> str:
    """The cost questions, and those of the other agents that are here or can be handed to."""
    others = [said for agent, said in _OTHERS.items() if agent in offer.agents() or offer.any_of(AGENT_TOOLS[agent])]
    return "\n\n".join(("\n".join((_COSTS, *others)), _HOW))
