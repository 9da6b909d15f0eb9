"""The Markdown of the project, read for what must hold: commands, links, pictures, headings."""

import re
import shlex
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt

PROJECT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md", "CONTRIBUTING.md", "guide/*.md", "exercises/*.md", "benchmarks/*.md",
    "deploy/*.md", "deploy/*/*.md",
)  # fmt: skip
CHAPTERS = "guide/[0-9]-*.md"
NEEDS_FILES = "<!-- needs files -->"
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """Commands that stand together: those of a ```bash block, lines counted from 1."""

    first: int  # line of the opening fence
    last: int  # line of the closing fence
    commands: tuple[str, ...]
    runs: bool  # with demo files, without network, and it ends


def all_pages():
    """The pages there are, as paths below the project."""
    return [
        page.relative_to(PROJECT) for pattern in PAGES for page in sorted(PROJECT.glob(pattern))
    ]


def chapters():
    """The chapters of the guide, in their order."""
    return sorted(PROJECT.glob(CHAPTERS))


def blocks(text):
    """The blocks of commands in a page."""
    tokens = MARKDOWN.parse(text)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence" and token.info.strip() == "bash":
            lines = token.content.replace("\\\n", " ").splitlines()
            commands = tuple(line for line in map(str.strip, lines) if line and line[0] != "#")
            held = before is not None and before.content.strip().endswith(NEEDS_FILES)
            runs = not held and all(words(command)[:1] == ["python"] for command in commands)
            yield Block(token.map[0] + 1, token.map[1], commands, runs)


def words(command):
    """A command as the shell cuts it up, without comments and settings before it."""
    parts = shlex.split(command, comments=True)
    while parts and re.fullmatch(r"[A-Z_]+=.*", parts[0]):
        parts.pop(0)
    return parts


def spans(text):
    """What stands in `code` within the sentences and tables of a page."""
    return [token.content for token in _inline(text) if token.type == "code_inline"]


def links(text):
    """Where the links of a page lead, as written; those to pictures too."""
    kinds = {"link_open": "href", "image": "src"}
    found = [token.attrGet(kinds[token.type]) for token in _inline(text) if token.type in kinds]
    return found + re.findall(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]+)\"", _html(text))


def pictures(text):
    """The pictures of a page: (path as written, alternative text)."""
    found = [(t.attrGet("src"), t.content) for t in _inline(text) if t.type == "image"]
    for tag in re.findall(r"<img\b[^>]*>", _html(text)):
        attributes = dict(re.findall(r"\b(src|alt)=\"([^\"]*)\"", tag))
        found.append((attributes.get("src", ""), attributes.get("alt", "")))
    return found


def anchors(text):
    """The names of the headings, as GitHub makes them, and of what has an id of its own."""
    tokens, seen, names = MARKDOWN.parse(text), {}, set()
    for token, inside in pairwise(tokens):
        if token.type == "heading_open":
            plain = "".join(child.content for child in inside.children)
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            names.add(f"{slug}-{seen[slug]}" if slug in seen else slug)
            seen[slug] = seen.get(slug, 0) + 1
    return names | set(re.findall(r"\bid=\"([^\"]+)\"", _html(text)))


def _inline(text):
    return [child for token in MARKDOWN.parse(text) for child in token.children or []]


def _html(text):
    tokens = [*MARKDOWN.parse(text), *_inline(text)]
    return "\n".join(t.content for t in tokens if t.type in ("html_block", "html_inline"))
