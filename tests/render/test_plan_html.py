"""A plan as a page: whole, fetching nothing, and text of the catalog is text in it. Without a browser; what it does in
one is in test_plan_in_browser.py."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import plans
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from profiles import share

from billing_as_code.model import Address, Change, Class, FieldChange
from billing_as_code.plan import Plan, Target
from billing_as_code.render import html, impact_html

TAGS = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "script", "noscript", "form"} | {
    *("a", "p", "h1", "h2", "strong", "code", "kbd", "span", "div", "table", "thead", "tbody", "tr", "th", "td"),
    *("label", "input", "button", "fieldset", "legend"),
}
ATTRIBUTES = {"lang", "charset", "http-equiv", "content", "name", "class", "id", "type", "value", "for", "role"} | {
    *("href", "scope", "hidden", "checked", "tabindex", "autocomplete", "spellcheck"),
    *("aria-label", "aria-labelledby", "aria-describedby"),
}


class Page(HTMLParser):
    """What is in a page: its elements with their attributes, its text, and what stands in style and script elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.scripts: list[tuple[dict[str, str], str]] = []
        self.styles: list[str] = []
        self._in: tuple[str, dict[str, str]] = ("", {})
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = (tag, {name: value or "" for name, value in attrs})
        self.elements.append(self._in)

    def handle_endtag(self, tag: str) -> None:
        self._in = ("", {})

    def handle_data(self, data: str) -> None:
        if self._in[0] == "script":
            self.scripts.append((self._in[1], data))
        elif self._in[0] == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def changes(self) -> list[dict[str, object]]:
        (data,) = [text for attributes, text in self.scripts if attributes.get("type") == "application/json"]
        return list(json.loads(data))

    @property
    def policy(self) -> str:
        (policy,) = [a["content"] for _, a in self.elements if a.get("http-equiv") == "Content-Security-Policy"]
        return policy


def rendered(plan: Plan, **more: object) -> Page:
    return Page("\n".join(html.page(plan, **more)))  # type: ignore[arg-type]


def source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


# -- it is whole and fetches nothing ---------------------------------------------------------------------------------


def test_the_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    page = rendered(plans.everything())
    (script,) = [text for attributes, text in page.scripts if not attributes]
    (style,) = page.styles
    assert page.policy.split("; ") == [
        "default-src 'none'",
        f"style-src {source(style)}",
        f"script-src {source(script)}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
    ]


def test_the_policy_stands_before_all_that_it_speaks_of() -> None:
    names = [tag for tag, _ in rendered(plans.everything()).elements]
    assert names.index("meta") < min(names.index("style"), names.index("script"))


def test_nothing_is_fetched_and_nothing_runs_from_an_attribute() -> None:
    page = rendered(plans.everything())
    assert {tag for tag, _ in page.elements} <= TAGS
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    assert {a["href"][0] for _, a in page.elements if "href" in a} == {"#"}
    own = "".join(page.styles) + "".join(text for attributes, text in page.scripts if not attributes)
    assert re.findall(r"://|@import|url\(|innerHTML|insertAdjacentHTML|\beval\b|setTimeout\(['\"]", own) == []


def test_every_change_is_in_it_the_worst_first() -> None:
    made = plans.everything()
    found = rendered(made).changes
    assert [c["address"] for c in found] == [
        'customers."old corp"',
        "entitlements.acme.ai_tokens",
        "features.ai_tokens",
        "customers.acme",
    ]
    assert found[1] == {
        "address": "entitlements.acme.ai_tokens",
        "class": "breaking",
        "action": "replace",
        "kind": "entitlements",
        "whom": "acme",
        "place": "catalog/customers.yaml:12",
        "fields": [
            ["issue.amount", "10,000", "5,000", "-50%", "breaking"],
            ["is_soft_limit", "false", "true", "", "commercial"],
        ],
        "said": [
            "overridden by a new one; its grants, usage and period are carried over, since OpenMeter cannot change "
            "issue.amount and is_soft_limit in place, and features.ai_tokens is replaced, and it is bound to that "
            "one's id",
            "overage of this period that the next one would have paid for is dropped",
        ],
        "requests": [
            'PUT /api/v2/bridge\n{\n  "type": "boolean"\n}',
            "PUT /api/v2/customers/{id of customers.acme}/entitlements/ai_tokens/override\n"
            '{\n  "measureUsageFrom": "{period_start of entitlements.acme.ai_tokens}"\n}',
            "POST /api/v2/grants   (only where there is {left of entitlements.acme.ai_tokens G1 whole})\n"
            '{\n  "amount": "{left of entitlements.acme.ai_tokens G1 whole}"\n}',
        ],
    }
    assert found[3]["made"] == ["name: ACME Inc.", "subjects: [acme, acme-staging]", "currency: USD"]


def test_the_head_the_counts_and_what_changes_for_whom_are_there_without_a_script() -> None:
    text = rendered(plans.everything()).text
    for told in (
        "bac plan: staging",
        "staging · https://openmeter.staging.internal · owner acme-billing",
        "1 to create, 1 to update, 1 to replace, 1 to delete. 2 breaking, 1 commercial.",
        "replaced: issue.amount 10,000 → 5,000 (-50%); is_soft_limit false → true",
        "features.ssodescriptionnot setSingle sign-on",
        "grants.acme.ai_tokens.launchhas ended already, so it is not made",
        "The list of changes needs JavaScript",
    ):
        assert told in text.replace("\n", "")


def test_every_row_of_the_table_links_to_its_changes_in_the_list() -> None:
    links = [a["href"] for tag, a in rendered(plans.everything()).elements if tag == "a"]
    assert links[1:] == [
        "#class=breaking&action=delete&kind=customers",
        "#class=breaking&action=replace&kind=entitlements&q=ai_tokens",
        "#class=commercial&action=update&kind=features&q=ai_tokens",
        "#class=safe&action=create&kind=customers",
    ]


def test_rows_that_the_table_does_not_take_are_counted() -> None:
    fields = [FieldChange(f"metadata.k{n}", None, "x", Class.BREAKING) for n in range(130)]
    some = [plans.change("update", "customers.acme", Class.BREAKING, field) for field in fields]
    assert "And 30 more changes, 30 of them breaking: see the list." in rendered(plans.plan(*some)).text


def test_a_partial_plan_says_what_it_leaves_out() -> None:
    text = rendered(replace(plans.everything(), scope=("entitlements.acme",))).text
    assert "Only entitlements.acme, and what it depends on. Nothing is pruned." in text


def test_nothing_to_do_says_so_and_lists_nothing() -> None:
    page = rendered(plans.plan())
    assert "Nothing to do: it is as the catalog says (12 resources)." in page.text
    assert page.changes == []
    assert "form" not in {tag for tag, _ in page.elements}


def test_two_runs_write_the_same_page_in_ascii() -> None:
    made = plans.everything()
    once, again = rendered(made).source, rendered(plans.everything()).source
    assert once == again
    assert once.isascii()


@pytest.mark.parametrize("name", ["customer {}", "</svg><script>alert(1)</script><img src=x onerror=a> {}"])
def test_whom_a_plan_hits_is_text_and_a_plot_of_our_own(name: str) -> None:
    page = rendered(plans.everything(), figures=[impact_html.section(plans.hits(60, name))])
    drawn = {"figure", "svg", "rect", "line", "text", "ul", "li", "h3", "small"}
    assert drawn <= {tag for tag, _ in page.elements} <= TAGS | drawn
    assert {a for _, attributes in page.elements for a in attributes if a == "style" or a.startswith("on")} == set()
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert all(name.format(n) in page.text for n in range(60))


def test_figures_stand_between_what_changes_for_whom_and_the_list() -> None:
    figure = '<section><h2>Nähe</h2><svg role="img" viewBox="0 0 1 1"><rect width="1" height="1"/></svg></section>'
    source = rendered(plans.everything(), figures=[figure]).source
    assert source.index('id="whom"') < source.index(figure.replace("ä", "&#228;")) < source.index('id="changes"')


@pytest.mark.thorough
def test_ten_thousand_changes_are_all_there() -> None:
    made = plans.many(10_000, "update", Class.BREAKING)
    found = "\n".join(html.page(made))
    data = found.partition('<script type="application/json" id="data">')[2].partition("</script>")[0]
    assert {c["address"] for c in json.loads(data)} == {str(c.address) for c in made.changes}
    assert "10,000 customers" in found
    assert found.replace(data, "").count("<") < 400  # the list is made by the script, as far as somebody looks


# -- text of others --------------------------------------------------------------------------------------------------

EVIL = "</script><script>alert(1)</script><!-- \"'><img src=x onerror=alert(1)> ]]> {{7*7}} \u2028\u202e\x00"
FRAGMENTS = st.sampled_from(
    [
        *(
            "</script>",
            "<script>",
            "<!--",
            "-->",
            "</title>",
            "</style>",
            "<img src=x onerror=alert(1)>",
            "<svg/onload=a>",
        ),
        *('"', "'", "&", "&lt;", "<", ">", "\\", "\\u003c", "javascript:a", "\n", "\u2028", "\u202e", "é"),
    ]
)
TEXTS = st.one_of(st.text(max_size=16), st.lists(FRAGMENTS, max_size=6).map("".join))


def hostile(a: str, b: str) -> Plan:
    """A plan with two texts wherever a text of the catalog, of OpenMeter or of a plan file may stand."""
    field = FieldChange(f"metadata.{b}", a, b, Class.BREAKING)
    changes = (
        Change(Address("customers", (a,)), "create", after=plans.resource("customers.x", {"name": b or "x"})),
        Change(Address("entitlements", (a, b)), "update", (field,), (f"fixed:{a}", b), Class.BREAKING),
        Change(Address("grants", (a, b, a)), "delete", destroys=((a, "grant"), (b, a)), notes=((a, b),)),
        Change(Address(a, (b,)), "replace", (FieldChange(a, None, {a: [b]}, Class.SAFE),)),
    )
    return Plan(Target(a, f"https://a.example/{b}", b), changes, {}, scope=(a,), skipped=((a, b),), existing=1)


@settings(max_examples=share(0.25))
@given(a=TEXTS, b=TEXTS)
@example(a=EVIL, b=EVIL)
@example(a="", b=" ")
def test_text_of_the_catalog_is_nothing_but_text(a: str, b: str) -> None:
    page = rendered(hostile(a, b))
    assert [tag for tag, _ in page.elements].count("script") == 2
    assert {tag for tag, _ in page.elements} <= TAGS
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES
    assert {attributes["href"][0] for tag, attributes in page.elements if tag == "a"} == {"#"}
    (data,) = [text for attributes, text in page.scripts if attributes]
    assert "<" not in data
    assert page.source.isascii()
    assert len(page.changes) == 4
    ours = rendered(hostile("x", "y"))
    assert [a for t, a in page.elements if t == "meta"] == [a for t, a in ours.elements if t == "meta"]
