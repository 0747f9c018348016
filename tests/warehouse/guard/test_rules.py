"""The rules one by one: at the limit and one past it, and what the emitted text looks like."""

from dataclasses import replace

import pytest

from common.tenant import Tenant, parse_org_slug
from common.warehouse import readable_tables, schema
from common.warehouse.guard import CODES, Admitted, Denied, decide, lexical, selftest, sqltext
from common.warehouse.guard.allowed import nodes
from common.warehouse.guard.functions import FUNCTIONS
from common.warehouse.guard.rules import MAX_NESTING, MAX_SQL_BYTES, MAX_TABLES, MAX_TYPE_NESTING

TENANT = Tenant(parse_org_slug("acme"), "acme-project", "organizations")


def admit(sql: str, user_id: str = "u1") -> Admitted:
    return decide(sql, TENANT, user_id)


def code_of(sql: str) -> str:
    with pytest.raises(Denied) as denied:
        admit(sql)
    assert denied.value.code in CODES
    return denied.value.code


@pytest.mark.parametrize(
    ("code", "at_the_limit", "one_past"),
    [
        ("too_long", f"SELECT '{'x' * (MAX_SQL_BYTES - 9)}'", f"SELECT '{'x' * (MAX_SQL_BYTES - 8)}'"),
        ("too_long", f"SELECT '{'é' * (MAX_SQL_BYTES // 2 - 5)}'", f"SELECT '{'é' * (MAX_SQL_BYTES // 2 - 4)}'"),
        ("nesting", f"SELECT {'(' * MAX_NESTING}1{')' * MAX_NESTING}", f"SELECT {'(' * 41}1{')' * 41}"),
        (
            "type_nesting",
            f"SELECT {'DATE(' * MAX_TYPE_NESTING}x{')' * MAX_TYPE_NESTING}",
            f"SELECT {'DATE(' * 7}x{')' * 7}",
        ),
        ("type_nesting", f"SELECT {'SAFE.ABS(' * 6}1{')' * 6}", f"SELECT {'SAFE.ABS(' * 7}1{')' * 7}"),
        (
            "too_many_tables",
            "SELECT 1 FROM " + ", ".join(f"t{i}" for i in range(MAX_TABLES)),
            "SELECT 1 FROM " + ", ".join(f"t{i}" for i in range(MAX_TABLES + 1)),
        ),
        (
            "generator",
            "SELECT 1 FROM UNNEST(GENERATE_ARRAY(1, 1000000))",
            "SELECT 1 FROM UNNEST(GENERATE_ARRAY(0, 1000000))",
        ),
        (
            "generator",
            "SELECT 1 FROM UNNEST(GENERATE_ARRAY(1, 1000)), UNNEST(GENERATE_ARRAY(1, 1000))",
            "SELECT 1 FROM UNNEST(GENERATE_ARRAY(1, 1000)), UNNEST(GENERATE_ARRAY(1, 1001))",
        ),
    ],
)
def test_a_bound_holds_at_the_limit_and_denies_one_past_it(code: str, at_the_limit: str, one_past: str) -> None:
    admit(at_the_limit)
    assert code_of(one_past) == code


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("", 500),
        (" LIMIT 0", 0),
        (" LIMIT 499", 499),
        (" LIMIT 500", 500),
        (" LIMIT 501", 500),
        (f" LIMIT {10**30}", 500),
    ],
)
def test_the_outermost_limit_is_at_most_500(given: str, sent: int) -> None:
    assert admit(f"SELECT x FROM spend{given}").sql.endswith(f"LIMIT {sent}")
    assert admit(f"SELECT 1 AS x UNION ALL SELECT 2{given}").sql.endswith(f"LIMIT {sent}")
    assert admit(f"(SELECT x FROM spend){given}").sql.endswith(f"LIMIT {sent}")


def test_an_own_table_is_sent_as_one_quoted_path_with_an_alias() -> None:
    sent = "SELECT x FROM `acme-project.acme_prod.spend` AS spend LIMIT 500"
    for path in ("spend", "acme_prod.spend", "`acme_prod`.`spend`", "`acme-project.acme_prod.spend`"):
        assert admit(f"SELECT x FROM {path}") == Admitted(sent, frozenset({"acme-project.acme_prod.spend"}))


def test_comments_are_gone_and_arrays_are_explicit() -> None:
    sql = "SELECT i.sku /* why */ FROM spend AS s, -- from\ns.items AS i # items"
    sent = "SELECT i.sku FROM `acme-project.acme_prod.spend` AS s CROSS JOIN UNNEST(`s`.`items`) AS i LIMIT 500"
    assert admit(sql).sql == sent


def test_a_cte_is_visible_in_its_scope_only() -> None:
    # Outside of it, the same word is a table of the own dataset.
    sql = "SELECT 1 FROM (WITH c AS (SELECT 1 AS x) SELECT x FROM c) AS a, c"
    assert admit(sql).tables == {"acme-project.acme_prod.c"}
    assert admit("WITH c AS (SELECT * FROM c) SELECT * FROM C").tables == {"acme-project.acme_prod.c"}
    assert admit("WITH c AS (SELECT 1 AS x) SELECT * FROM acme_prod.c").tables == {"acme-project.acme_prod.c"}


@pytest.mark.parametrize("user_id", ["u1", "o'neil", "a\\", "x' OR TRUE --", "`", "\n", "key:1", "ü🙂", "'" * 128])
def test_a_persons_id_is_one_string_whatever_is_in_it(user_id: str) -> None:
    sent = admit("SELECT title FROM organizations.org_chat_conversations", user_id).sql
    strings = [lexeme.text for lexeme in lexical.read(sent) if lexeme.kind == "string"]
    assert len(strings) == 2
    assert strings[0] == "'acme'"
    escaped = user_id.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    assert strings[1] == f"'{escaped}'"


@pytest.mark.parametrize("name", readable_tables.shared_tables())
def test_a_shared_table_is_read_through_its_columns_and_filters(name: str) -> None:
    table = readable_tables.shared_tables()[name]
    columns = ", ".join(f"`{column}`" for column in table.columns)
    condition = " AND ".join(f"`{column}` = '{'acme' if column == 'org_slug' else 'u1'}'" for column in table.filters)
    inner = f"SELECT {columns} FROM `acme-project.organizations.{name}` WHERE {condition}"
    assert admit(f"SELECT * FROM organizations.{name}").sql == f"SELECT * FROM ({inner}) AS {name} LIMIT 500"


def test_the_catalog_opens_eleven_tables_and_no_secret() -> None:
    tables = readable_tables.shared_tables()
    assert len(tables) == 11
    assert not tables.keys() & {"org_api_keys", "org_chat_messages", "org_chat_tool_calls", "org_chat_settings"}
    assert tables["org_chat_conversations"].filters == ("org_slug", "user_id")
    assert tables["org_integration_credentials"].secrets == {"encrypted_credential"}
    for table in tables.values():
        assert "org_slug" in table.filters
        assert set(table.columns) <= {field.name for field in schema.load("organizations", table.name).fields}
        assert not [column for column in table.columns if readable_tables.holds_secret(column)]


def test_a_column_is_judged_where_it_is_resolved() -> None:
    # The own table may have a column of that name; the shared one's is not there to be read.
    admit("SELECT s.metadata FROM spend AS s JOIN organizations.org_integration_credentials AS c ON TRUE")
    admit("SELECT metadata FROM spend JOIN organizations.org_integration_credentials AS c ON TRUE")
    assert (
        code_of("SELECT c.metadata FROM spend JOIN organizations.org_integration_credentials AS c ON TRUE") == "column"
    )
    assert code_of("SELECT (SELECT c.metadata) FROM organizations.org_integration_credentials AS c") == "column"


SHAPES = (
    "{f}()", "{f}(a)", "{f}(a, 3)", "{f}(a, b)", "{f}(a, b, c)", "{f}(a, INTERVAL 1 DAY)", "{f}(a, b, MONTH)",
    "{f}(a, DAY)", "{f}(a AS STRING)", "{f}(YEAR FROM a)", "{f}('%Y', a)", "{f}(a, '$.x')",
    "{f}(a) OVER (ORDER BY b)", "{f}(year => 1)",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_allowed_function_is_admitted_in_a_shape_it_takes(name: str) -> None:
    codes = set()
    for shape in SHAPES:
        try:
            admit(f"SELECT {shape.format(f=name)} AS v FROM t")
        except Denied as denied:
            codes.add(denied.code)
        else:
            return
    pytest.fail(f"never admitted: {codes}")


def test_every_function_class_of_the_allow_list_exists_once() -> None:
    assert len(nodes()) > 250


@pytest.mark.parametrize(
    "text",
    ["SELECT 1 -- x", "SELECT 1 /* x */", "SELECT 1 # x", 'SELECT "x"', "SELECT r'x'", "SELECT 'a", "SELECT `a\\`b`",
     "SELECT '''x'''", "SELECT ''''", "SELECT @x", "SELECT 1; SELECT 2", "SELECT $$x$$", "SELECT 'a\nb'", "SELECT 1abc",
     "SELECT '\\q'", "SELECT é", "SELECT {x}", "SELECT a ? b", "SELECT x'ab'", "SELECT 1\t"],
)  # fmt: skip
def test_the_strict_reader_refuses_what_could_be_read_in_two_ways(text: str) -> None:
    with pytest.raises(Denied) as denied:
        lexical.read(text)
    assert denied.value.code == "unverified"


def test_the_strict_reader_refuses_a_call_that_the_tree_would_hide() -> None:
    for text in ("SELECT SESSION_USER()", "SELECT a.b(1)", "SELECT `f`(1)", "SELECT NET.HOST('x')"):
        with pytest.raises(Denied):
            lexical.check(lexical.read(text), FUNCTIONS)
    lexical.check(lexical.read("SELECT SAFE.ABS(1), COUNT(*) FROM (SELECT 1) WHERE a IN (1)"), FUNCTIONS)


def test_another_sqlglot_denies_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert selftest.problem() is None
    monkeypatch.setattr(sqltext, "version_is_pinned", lambda: False)
    selftest.problem.cache_clear()
    try:
        assert code_of("SELECT 1 AS x") == "unavailable"
    finally:
        selftest.problem.cache_clear()


def test_the_guard_leaves_the_librarys_own_parser_alone() -> None:
    from sqlglot import exp, parse_one

    admit("SELECT x FROM spend")
    tree = parse_one("SELECT * FROM a.t AS o, o.items AS i", read="bigquery")
    assert tree.find(exp.Unnest) is not None


def test_another_tenant_gets_its_own_paths_and_filter() -> None:
    other = replace(TENANT, org_slug=parse_org_slug("globex"), organizations_dataset="shared")
    sent = decide("SELECT a.x FROM globex_prod.t AS a JOIN shared.org_profiles AS p ON TRUE", other, "u1").sql
    assert "`acme-project.globex_prod.t`" in sent
    assert "`org_slug` = 'globex'" in sent
    with pytest.raises(Denied):
        decide("SELECT x FROM acme_prod.t", other, "u1")
