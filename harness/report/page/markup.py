"""Our own Markdown as HTML for a page: nothing that a label holds becomes a tag, a script or a picture from elsewhere.

`report/format/escape.py` has escaped what came from outside; here the few tags that our renderers write themselves
are known one by one, and any other is text.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_FOLDED: Final = re.compile(r"<details><summary>(.*)</summary>\n?")
_ENDED: Final = re.compile(r"</details>\n?")
_SIDE: Final = re.compile(r"text-align:(left|right|center)")


@dataclass
class Markup:
    """A page's body. `title` is its first heading, `contents` the second-level ones as (anchor, HTML)."""

    title: str
    body: str
    contents: list[tuple[str, str]] = field(default_factory=list)


def markup(text: str, pictures: Mapping[str, str], charts: Sequence[str] = ()) -> Markup:
    """Render Markdown of ours; `pictures` are SVG texts by the file names that it shows them under.

    A picture that is named in `charts` becomes the place of that chart, and stands in it where no script runs.
    """
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    renderer = _Renderer(reader, pictures, charts)
    tokens = reader.parse(text)
    title, place = "", 0
    contents: list[tuple[str, str]] = []
    rest: list[Token] = []
    while place < len(tokens):
        token = tokens[place]
        if token.type == "heading_open":
            said = renderer.render(tokens[place + 1 : place + 2], reader.options, {})
            if token.tag == "h1" and not title:
                title, place = said, place + 3
                continue
            if token.tag == "h2":
                token.attrSet("id", f"part-{len(contents) + 1}")
                contents.append((f"part-{len(contents) + 1}", said))
        if token.type == "th_open" and not tokens[place + 1].content:
            token.tag = tokens[place + 2].tag = "td"  # a head without words is none
        rest.append(token)
        place += 1
    return Markup(title, renderer.render(rest, reader.options, {}), contents)


class _Renderer(RendererHTML):
    """Each method renders the tokens of its name, in the place of the library's own."""

    def __init__(self, reader: MarkdownIt, pictures: Mapping[str, str], charts: Sequence[str]) -> None:
        self._reader, self._pictures, self._charts = reader, pictures, charts
        super().__init__()

    def html_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        text = tokens[idx].content
        if found := _FOLDED.fullmatch(text):
            return f"<details><summary>{self.render(self._reader.parseInline(found[1]), options, env)}</summary>\n"
        return text if _ENDED.fullmatch(text) else html.escape(text)

    html_inline = html_block

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        file = str(tokens[idx].attrs.get("src", ""))
        alt = html.escape(self.renderInlineAsText(tokens[idx].children, options, env))
        if file not in self._pictures:
            return alt
        data = base64.b64encode(self._pictures[file].encode()).decode("ascii")
        shown = f'<img alt="{alt}" src="data:image/svg+xml;base64,{data}">'
        name = next((name for name in self._charts if file.endswith(f"-{name}.svg")), None)
        return shown if name is None else f'<span class="chart" data-chart="{name}"><noscript>{shown}</noscript></span>'

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        if side := _SIDE.fullmatch(str(tokens[idx].attrs.pop("style", ""))):  # the page's policy allows no style here
            tokens[idx].attrSet("class", side[1])
        return self.renderToken(tokens, idx, options, env)

    td_open = th_open

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f'<div class="scroll">{self.renderToken(tokens, idx, options, env)}'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"{self.renderToken(tokens, idx, options, env)}</div>\n"
