"""The description of the calls, as it is served: to machines everywhere, to people on the local page only."""

from common.web.routes import ROUTES
from tests.api.conftest import Product


def test_the_document_is_served_to_everybody(product: Product) -> None:
    response = product.http.get("/openapi.json")
    assert response.status_code == 200
    document = response.json()
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/"}]
    assert set(document["paths"]) == {route.path for route in ROUTES}


def test_the_page_about_the_calls_runs_no_script(product: Product) -> None:
    page = product.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "/api/v1/chat/{org_slug}/send" in page.text
    assert "<script" not in page.text
    assert product.http.get("/docs.css").headers["content-type"].startswith("text/css")


def test_the_page_is_no_part_of_what_is_deployed() -> None:
    assert "/docs" not in {path for route in ROUTES for path in (route.path, *route.short)}
