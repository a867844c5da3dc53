"""No text from outside becomes markup, and all of it can be read: parsed back with markdown-it."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.report.format.escape import LIMIT, clean, code, fenced, image, inline
from harness.report.format.table import table

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = {"text", "code_inline"}

HOSTILE = [
    "a | b", "`code`", "``", "`", "a\\", "\\|", "a\\|b", "\\", "|", "||", "<script>alert(1)</script>", "<!-- -->",
    "&lt;", "&#124;", "[a](http://b.c)", "![a](b.png)", "[a]: http://x", "[^1]", "<http://a.b>", "http://a.b/c?d=e|f",
    "www.example.com", "me@example.com", "@everyone", "@@`@", ":smile:", "$x$ and $$y$$", "# heading", "a #", "- item",
    "+ x", "* x", "1. one", "2) two", "> quote", "---", "===", "***", "~~~", "```", "~~gone~~", "**b** _i_ __b__",
    "a\nb", "a\r\n\r\n# b", "\x00\x1b[31mred", "\u202egnirts", "zero\u200bwidth", "\ud800", "line\u2028sep", "\x85",
    "    indented", "\t", "| --- |", ":--", "nan", "1e5", "0x10", "1,000", "x" * 1000, "{{ jinja }}", "é漢字🙂",
    "😀" * 300, "http://a`b|c\\d", "`http://a`", "javascript:alert(1)", "a  b", "\xa0", "C:\\new\\|table",
    "https://x.y/[z](w)",
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(HOSTILE), min_size=2, max_size=4).map("".join),
    st.text(alphabet="\\`|*_[]()<>&~#!-+=:.@$ wht1a/\n{}^", max_size=30),
    st.text(st.characters(codec=None), max_size=30),
)


def leaves(tokens: list[Token]) -> list[Token]:
    return [leaf for token in tokens for leaf in ([token] if not token.children else leaves(token.children))]


def text_of(token: Token) -> str:
    assert {child.type for child in token.children or []} <= PLAIN, token.children
    return "".join(child.content for child in token.children or [])


@given(texts)
def test_clean_is_one_visible_line(text: str) -> None:
    line = clean(text)
    assert len(line) <= LIMIT
    assert line == line.strip()
    assert all(unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in line)
    assert clean(line) == line
    line.encode()


@given(texts)
def test_paragraph_keeps_the_text(text: str) -> None:
    for start in ("", "Reason: ", "- ", "# ", "1. "):
        tokens = MARKDOWN.parse(f"{start}{inline(text)}\n")
        inlines = [token for token in tokens if token.type == "inline"]
        assert len(inlines) == (1 if clean(text) or start == "Reason: " else len(inlines))
        if clean(text):
            assert text_of(inlines[0]) == start.replace("- ", "").replace("# ", "").replace("1. ", "") + clean(text)
        kinds = {token.type for token in tokens}
        assert not kinds & {"html_block", "fence", "code_block", "blockquote_open", "hr", "table_open"}


@given(st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=4), st.sampled_from([inline, code]))
def test_table_keeps_its_shape_and_text(rows: list[tuple[str, str, str]], escape: object) -> None:
    assert escape in (inline, code)
    cells = [[(inline if escape is inline else code)(cell) for cell in row] for row in rows]
    tokens = MARKDOWN.parse(table(["a", "b", "c"], cells, "lrc") + "\n")
    assert tokens[0].type == "table_open"
    assert tokens[-1].type == "table_close"
    inlines = [token for token in tokens if token.type == "inline"]
    assert len(inlines) == 3 * (len(rows) + 1)
    assert [text_of(token) for token in inlines[3:]] == [clean(cell) for row in rows for cell in row]


@given(texts)
def test_headers_too(text: str) -> None:
    tokens = MARKDOWN.parse(table([inline(text), "b"], [["1", "2"]], "ll") + "\n")
    inlines = [token for token in tokens if token.type == "inline"]
    assert [text_of(token) for token in inlines] == [clean(text), "b", "1", "2"]


@given(texts)
def test_github_adds_no_link_mention_emoji_or_formula(text: str) -> None:
    # What GitHub would turn into markup after parsing must stand in code, where it does not look.
    (token,) = [t for t in MARKDOWN.parse("x " + inline(text) + "\n") if t.type == "inline"]
    for child in token.children or []:
        if child.type == "text":
            assert not re.search(r"://|@|\$|www\.|:[a-z0-9_+-]+:", child.content, re.IGNORECASE), child.content


@given(st.lists(texts, min_size=1, max_size=5).map("\n".join))
def test_fenced_stays_one_block(text: str) -> None:
    tokens = MARKDOWN.parse(f"before\n\n{fenced(text, 'toml')}\n\nafter\n")
    assert [token.type for token in tokens if token.level == 0] == [
        "paragraph_open", "paragraph_close", "fence", "paragraph_open", "paragraph_close",
    ]  # fmt: skip


@given(texts)
def test_image_is_one_image(text: str) -> None:
    tokens = MARKDOWN.parse(image(text, "a-b.svg") + "\n")
    children = tokens[1].children or []
    assert [child.type for child in children] == ["image"]
    assert children[0].attrs["src"] == "a-b.svg"
    assert {leaf.type for leaf in leaves(children[0].children or [])} <= {"text"}


@pytest.mark.parametrize("file", ["a b.svg", "a.svg)", 'a.svg "t"', "<a>", "mein bericht.svg", "ü.svg"])
def test_an_image_is_one_whatever_its_file_is_called(file: str) -> None:
    (child,) = MARKDOWN.parse(image("x", file) + "\n")[1].children or []
    assert child.type == "image"
    assert unquote(str(child.attrs["src"])) == file


def test_ordinary_text_stays_readable() -> None:
    assert inline("minilm · bf16 · learning rate 5e-05, 3 epochs (n = 5)") == (
        "minilm · bf16 · learning rate 5e-05, 3 epochs (n = 5)"
    )
    assert inline("google-bert/bert-base-uncased") == "google-bert/bert-base-uncased"
    assert inline("see https://a.b/c") == "see `https://a.b/c`"
    assert code("glue/mrpc") == "`glue/mrpc`"
    assert clean("x" * 300) == "x" * 199 + "…"


def test_code_with_backticks_has_a_longer_fence() -> None:
    assert code("a `b` && c") == "`` a `b` && c ``"
    assert code("plain") == "`plain`"
    (paragraph,) = [t for t in MarkdownIt("commonmark").parse(code("`x`` y`")) if t.type == "inline"]
    assert [child.content for child in paragraph.children or () if child.type == "code_inline"] == ["`x`` y`"]
