"""Finds the SQL that a message holds, and takes it exactly as it was written."""

import re

_BLOCK = re.compile(r"```(?P<language>[a-z]*)[ \t]*\n?(?P<sql>.*?)(?:```|\Z)", re.IGNORECASE | re.DOTALL)
_LANGUAGES = ("sql", "googlesql", "bigquery")
_LED_IN = re.compile(
    r"\s*(?:(?:please|can you|could you)\s+)?(?:run|execute|try|query|sql)\b[^\n:`]{0,60}:\s*(?P<sql>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_WITH = re.compile(r"with\s+(?:recursive\s+)?[`\w]+\s*(?:\([^)]*\)\s*)?as\s*\(", re.IGNORECASE)
_SELECT = re.compile(r"\(?\s*select\b", re.IGNORECASE)
# "Select the top services" asks in words; SQL in capitals, or with what only SQL has, is SQL.
_IN_WORDS = re.compile(r"select\s+(?:the|my|our|an?|any|some|top|all (?!from\b))\b(?![^\n]*[*(=])")
# Read as SQL too, so that whoever checks queries says why it may not run.
_OTHER_STATEMENT = re.compile(
    r"(?:insert\s+into|delete\s+from|drop\s+(?:table|schema|view)|truncate\s+table|create\s+(?:or\s+replace\s+)?"
    r"(?:table|view|function)|alter\s+table|merge\s+(?:into\s+)?[\w.`]+\s+(?:as\s+)?\w*\s*using|update\s+[\w.`]+\s+set)\b",
    re.IGNORECASE,
)


def sql_in(message: str) -> str | None:
    """The SQL of a fenced block, of a message that is SQL, or of one such as "run this: SELECT …"; None without any."""
    for block in _BLOCK.finditer(message):
        sql = block["sql"].strip()
        if sql and (block["language"].lower() in _LANGUAGES or (not block["language"] and _is_sql(sql))):
            return sql
    text = message.strip()
    if _is_sql(text):
        return text
    led_in = _LED_IN.match(message)
    if led_in and _is_sql(led_in["sql"]):
        return led_in["sql"].strip()
    return None


def _is_sql(text: str) -> bool:
    if _WITH.match(text) or _OTHER_STATEMENT.match(text):
        return True
    return bool(_SELECT.match(text)) and not _IN_WORDS.match(text)
