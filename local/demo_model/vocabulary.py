"""The words of a cost question: providers, kinds of cost, categories, dimensions, comparisons, forecasts."""

import re
from typing import Literal

CostType = Literal["cloud", "genai", "subscription"]
Dimension = Literal[
    "provider", "service", "service_category", "cost_type", "team", "region", "model", "day", "week", "month"
]
TIME_DIMENSIONS: tuple[Dimension, ...] = ("day", "week", "month")


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])(?:'s)?")


# The first that matches takes the words, so "google gemini" stands before "google".
PROVIDERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Microsoft Azure", _words(r"azure open ?ai|(?:microsoft )?azure")),
    ("Google Gemini", _words(r"(?:google )?gemini")),
    ("Google Cloud", _words(r"google cloud(?: platform)?|gcp|google")),
    ("AWS", _words(r"aws|amazon(?: web services)?")),
    ("Microsoft", _words(r"microsoft")),
    ("OpenAI", _words(r"open ?ai|chatgpt")),
    ("Anthropic", _words(r"anthropic|claude")),
    ("DeepSeek", _words(r"deepseek")),
    ("Mistral", _words(r"mistral")),
    ("Oracle", _words(r"oracle(?: cloud(?: infrastructure)?)?|oci")),
    ("Alibaba Cloud", _words(r"alibaba(?: cloud)?")),
    ("IBM", _words(r"ibm(?: cloud)?")),
    ("DigitalOcean", _words(r"digital ?ocean")),
    ("GitHub", _words(r"github")),
    ("Datadog", _words(r"datadog")),
    ("Snowflake", _words(r"snowflake")),
    ("Databricks", _words(r"databricks")),
    ("MongoDB", _words(r"mongodb(?: atlas)?")),
    ("Cloudflare", _words(r"cloudflare")),
    ("Atlassian", _words(r"atlassian|jira")),
    ("Salesforce", _words(r"salesforce")),
    ("Figma", _words(r"figma")),
)
# These are everyday words too: only with their capital.
CAPITALISED_PROVIDERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("Slack", _words("Slack")),
    ("Notion", _words("Notion")),
    ("Zoom", _words("Zoom")),
)
AI_PROVIDERS = frozenset({"OpenAI", "Anthropic", "Google Gemini", "DeepSeek", "Mistral"})
_AI_SERVICE = re.compile(
    r"bedrock|vertex|openai|anthropic|claude|gemini|gpt|\bai\b|machine learning|llm|deepseek|mistral", re.IGNORECASE
)

COST_TYPES: tuple[tuple[CostType, re.Pattern[str]], ...] = (
    ("genai", _words(r"gen(?:erative)?[ -]?ai|ai|llms?")),
    ("subscription", _words(r"saas|subscriptions?")),
    ("cloud", _words(r"cloud|iaas")),
)
COST_TYPE_NAMES: dict[str, str] = {"genai": "GenAI", "cloud": "cloud", "subscription": "SaaS subscriptions"}

CATEGORIES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("AI and Machine Learning", _words(r"(?:ai and )?machine learning|ai/ml")),
    ("Compute", _words(r"compute|computing")),
    ("Storage", _words(r"storage")),
    ("Databases", _words(r"databases?")),
    ("Networking", _words(r"network(?:ing)?")),
    ("Analytics", _words(r"analytics")),
    ("Security", _words(r"security")),
    ("Identity", _words(r"identity")),
    ("Developer Tools", _words(r"developer tools|devtools")),
    ("Management and Governance", _words(r"management and governance")),
    ("Business Applications", _words(r"business applications")),
)

# Compounds first; "cloud provider" keeps its "cloud" for the kind of cost.
DIMENSIONS: tuple[tuple[Dimension, re.Pattern[str]], ...] = (
    ("service_category", _words(r"(?:service|spend|spending|cost)[ _-]categor(?:y|ies)|categor(?:y|ies)")),
    ("cost_type", _words(r"(?:cost|spend|spending)[ _-]types?|(?:types?|kinds?) of (?:cost|spend|spending)s?")),
    ("provider", _words(r"providers?|vendors?|clouds|suppliers?|hyperscalers?")),
    ("service", _words(r"services?|products?|tools?")),
    (
        "team",
        _words(
            r"teams?|departments?|business units?|cost cent(?:er|re)s?|squads?|"
            r"who(?= (?:spent|spends|costs?|is spending))"
        ),
    ),
    ("model", _words(r"models?|(?:gpt|claude|gemini|llama|mistral|deepseek|o\d)-[\w.-]*\w")),
    (
        "region",
        _words(r"regions?|locations?|[a-z]{2,}(?:-[a-z]+)+-?\d[a-z]?|(?:north|south|east|west)(?:us|europe)\d?"),
    ),
    ("day", _words(r"days?|daily|day[ -](?:by|over)[ -]day")),
    ("week", _words(r"weeks?|weekly")),
    ("month", _words(r"months?|monthly")),
)
MODEL_ID = re.compile(r"(?<![\w-])(?:gpt|claude|gemini|llama|mistral|deepseek|o\d)-[\w.-]*\w")
TREND = _words(r"trend(?:s|ing)?|over time|timeline|evolution|evolve[ds]?|history of")

# "which llm" asks for models, "llm costs" for a kind of cost.
WHICH_LLM = _words(r"(?:which|what|by|per|each|every) (?:ai |genai )?llms?")

COST = _words(
    r"costs?|costing|costliest|spen[dt]|spends|spending|spendings|bill|bills|billed|billing|"
    r"charge[sd]?|expenses?|expensive|"
    r"expenditures?|pay|pays|paid|paying|money|invoices?|invoiced|burn(?:ed|ing)?|cheap(?:er|"
    r"est)?|how much|usd|eur|dollars?|finops"
)
SHARE = _words(
    r"shares?|percent(?:age)?s?|proportions?|break ?downs?|break(?:s|ing)? down|broken down|"
    r"splits?|distribut(?:ion|ed)|"
    r"composition|make ?up|fractions?|ratio|portion"
)
PERCENT = re.compile(r"%")
COMPARE = _words(
    r"compar(?:e|es|ed|ing|isons?)|versus|vs\.?|against|relative to|difference between|than (?:in |"
    r"on )?(?:last|the|this|before|previous|usual|a year)|"
    r"change[ds]? (?:from|between|since|over)|(?:higher|lower|more|less|up|down) (?:than|from|on|versus|compared)|"
    r"(?:how (?:has|have|did|do|does)|did|has|have|is|are)\b.*\b(?:chang(?:e|ed|ing)|increas(?:e|"
    r"ed|ing)|decreas(?:e|ed|ing)|"
    r"grow|grown|growing|grew|rise|risen|rising|fall|fallen|falling|drop(?:ped|ping)?|going up|"
    r"going down|gone up|gone down|go up|go down)"
)
TO_A_REFERENCE = _words(
    r"versus|vs\.?|against|relative to|than|compared?(?: it| this| that| us)? (?:to|with)|compare to|"
    r"up (?:on|from)|down (?:on|from)"
)
PERIOD_TYPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("YoY", _words(r"yoy|year[ -](?:over|on)[ -]year")),
    ("QoQ", _words(r"qoq|quarter[ -](?:over|on)[ -]quarter")),
    ("MoM", _words(r"mom|month[ -](?:over|on)[ -]month")),
)
MONTH_TO_DATE = _words(r"mtd|month[ -]to[ -]date")
WEEK_OVER_WEEK = _words(r"wow|week[ -](?:over|on)[ -]week")
DRIVERS = _words(
    r"why|what(?:'s| has| is)? (?:changed|driving|caus(?:ed|ing)|drove|drives)|what(?:'s| is) behind|"
    r"drivers?|driving|drove|cause[sd]?|"
    r"causing|reasons?|explain(?: the)? (?:increase|jump|spike|rise|change|growth)|spik(?:e|"
    r"es|ed|ing)|jump(?:s|ed)?|surge[sd]?|"
    r"biggest (?:changes?|increases?|movers?)|movers|what (?:increased|grew|rose|went up|jumped)(?: the)?(?: most)?|"
    r"anomal(?:y|ies|ous)|"
    r"(?:increased|grew|rose|went up|changed)(?: the)? most"
)
FORECAST = _words(
    r"forecast(?:s|ed|ing)?|predict(?:s|ed|ion|ions)?|project(?:ed|ion|ions)|"
    r"project (?:our|the|my|costs?|spend|spending)|expect(?:ed)?(?: to)?|"
    r"run[ -]?rate|estimate(?:d|s)?|outlook|"
    r"will (?:we|our|i|it|the|this|be|my|aws|gcp|azure)|going to (?:spend|cost|pay|be)|on track|"
    r"are we heading|likely to (?:spend|cost|pay)"
)
TOP = re.compile(
    r"(?<![\w-])(?:top|first|biggest|largest|highest|most expensive|costliest|cheapest|lowest|"
    r"bottom)[ -]+(?P<after>\d{1,3}|two|three|four|five|six|seven|"
    r"eight|nine|ten|twelve|twenty)(?![\w%-])|(?<![\w.,$-])(?P<before>\d{1,3}|two|three|four|"
    r"five|six|seven|eight|nine|ten|twelve|twenty) "
    r"(?:most|biggest|largest|highest|top|costliest|main)"
)
TOP_FEW = _words(r"top|biggest|largest|main|costliest")
EXCEPT = _words(r"excluding|exclude|except(?: for)?|without|other than|not including|but not|apart from|minus")
ALL_PROVIDERS = _words(
    r"(?:all|every|each|any|across)(?: the| of the| our)? (?:providers?|vendors?)|everything|overall|everyone"
)

HELP = re.compile(
    r"\W*(?:(?:hi|hello|hey|howdy|good (?:morning|afternoon|evening)|greetings|yo|thanks|thank you|"
    r"cheers|help|help me|please|there|"
    r"what can you do|what do you do|who are you|what are you|how do you work|what can i ask(?: you)?|"
    r"how can you help(?: me)?|"
    r"can you help(?: me)?|what questions can (?:you answer|i ask)|menu|commands|demo|analyst|so much|for me)\W*)+"
)


def is_ai(provider: str, service: str) -> bool:
    """Whether a row names an AI vendor or an AI service of a cloud."""
    return provider in AI_PROVIDERS or bool(_AI_SERVICE.search(service))
