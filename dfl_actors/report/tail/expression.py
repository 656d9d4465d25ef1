"""`--expression`: which records are shown, as people write filters.

    type=Transaction* and node=ben and size>1000
    not (kind=letter or kind=event) and detail="*too late*"
    tx=3f9a01 and accuracy<0.5

    any  :=  all ("or" all)*
    all  :=  one ("and" one)*
    one  :=  "not" one  |  "(" any ")"  |  FIELD ("=" | "!=" | "<" | ">" | "<=" | ">=") VALUE

A value is a word or stands in quotes; `*`, `?` and `[...]` in it are those of a shell. Digests match by their beginning, lists if one of
their words does. A figure that a record lacks is neither less nor more than anything, and no value of it.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from typing import NamedTuple, NoReturn

from dfl_actors.config.toml_text import nearest
from dfl_actors.errors import ConfigError
from dfl_actors.runtime.header import Record

Test = Callable[[Record], bool]

TEXTS = ("type", "kind", "node", "actor", "generator", "witness", "sender", "code", "detail")
DIGESTS = ("tx", "model", "draft", "receipt", "block")
LISTS = ("to", "txs")
NUMBERS = ("size", "sequence", "height", "number", "index", "count", "correct", "tested", "ttl", "n", "life")
SHARES = ("accuracy",)  # Of what was measured, in 0..1.
FIELDS = (*TEXTS, *DIGESTS, *LISTS, *NUMBERS, *SHARES, "dropped")

UNITS = {"": 1.0, "b": 1.0, "kb": 1e3, "k": 1e3, "mb": 1e6, "m": 1e6}  # Behind a number, as sizes are shown.
ORDERS = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge}
YES = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}

TOKEN = re.compile(r"""\s*(?:(?P<sign>[()]|!=|<=|>=|==|[=<>])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()=<>!"']+))""")
DIGEST = re.compile(r"[0-9a-fA-F*?!\[\]-]*")  # With the signs of a shell.
DEEPEST = 50  # Parentheses and nots in each other.


class Token(NamedTuple):
    """A sign, or a value; `quoted` is never a word of the language. `at` is its place in the text, from 0."""

    text: str
    at: int
    sign: bool = False
    quoted: bool = False

    def is_word(self, word: str) -> bool:
        return not self.quoted and not self.sign and self.text.lower() == word


class Expression:
    """A filter. Raises `ConfigError` for what is none, with the place; `known` are the words that some fields may have, of which one must
    match. `fields` are those it speaks of."""

    def __init__(self, text: str, known: Mapping[str, Iterable[str]] | None = None) -> None:
        self._text, self._known = text, {field: tuple(words) for field, words in (known or {}).items()}
        self._tokens, self._next = self._split(), 0
        self.fields: set[str] = set()
        if not self._tokens:
            self._fail(0, "it is empty; for instance type=Transaction* and node=ben and size>1000")
        self._test = self._any(0)
        if self._next < len(self._tokens):
            self._fail_here('"and", "or" or the end was expected')

    def __call__(self, record: Record) -> bool:
        return self._test(record)

    # --- reading

    def _split(self) -> list[Token]:
        tokens, at = [], 0
        while at < len(self._text.rstrip()):
            found = TOKEN.match(self._text, at)
            if found is None:
                place = at + len(self._text[at:]) - len(self._text[at:].lstrip())
                self._fail(place, "a quotation mark has no other" if self._text[place] in "\"'" else "this means nothing here")
            name = str(found.lastgroup)
            text = found[name]
            begin = found.start(name) - (name in ("double", "single"))
            tokens.append(Token("=" if text == "==" else text, begin, name == "sign", name in ("double", "single")))
            at = found.end()
        return tokens

    def _any(self, depth: int) -> Test:
        parts = [self._all(depth)]
        while self._take("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else lambda record: any(part(record) for part in parts)

    def _all(self, depth: int) -> Test:
        parts = [self._one(depth)]
        while self._take("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else lambda record: all(part(record) for part in parts)

    def _one(self, depth: int) -> Test:
        if depth > DEEPEST:
            self._fail_here("too many parentheses in each other")
        if self._take("not"):
            negated = self._one(depth + 1)
            return lambda record: not negated(record)
        if self._take("("):
            inner = self._any(depth + 1)
            if not self._take(")"):
                self._fail_here('")" was expected')
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        field = self._value("a field")
        if field.text not in FIELDS or field.quoted:
            self._fail(field.at, f"there is no field {field.text[:30]}; {nearest(field.text, FIELDS)}")
        sign = self._now
        if sign is None or not sign.sign or sign.text not in ORDERS:
            self._fail_here(f"one of {' '.join(ORDERS)} was expected behind {field.text}")
        self._next += 1
        self.fields.add(field.text)
        return self._compared(field, sign, self._value("a value"))

    @property
    def _now(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, word: str) -> bool:
        """Whether this sign or word of the language is next; if so it is passed."""
        token = self._now
        here = token is not None and (token.is_word(word) or (token.sign and token.text == word))
        self._next += here
        return here

    def _value(self, what: str) -> Token:
        token = self._now
        if token is None or token.sign or any(token.is_word(word) for word in ("and", "or")):
            self._fail_here(f"{what} was expected")
        self._next += 1
        return token

    def _fail_here(self, why: str) -> NoReturn:
        token = self._now
        self._fail(len(self._text.rstrip()) if token is None else token.at, why)

    def _fail(self, at: int, why: str) -> NoReturn:
        """One line that points at the place: what stands before it, and what stands there."""
        there = self._text[at:].strip()
        where = f'at "{there[:30]}"' if there else "at its end"
        raise ConfigError(f"--expression, character {at + 1}, {where}: {why}")

    # --- what a comparison means

    def _compared(self, field: Token, sign: Token, value: Token) -> Test:
        if field.text in NUMBERS or field.text in SHARES:
            return self._figure(field, sign, value)
        if sign.text not in ("=", "!="):
            self._fail(sign.at, f"{field.text} is no number: compare it with = or !=")
        equal = self._flag(value) if field.text == "dropped" else self._words(field, value)
        return equal if sign.text == "=" else lambda record: not equal(record)

    def _figure(self, field: Token, sign: Token, value: Token) -> Test:
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(%|[a-z]*)", value.text.lower())
        share = field.text in SHARES
        scale = {"": 1.0, "%": 0.01} if share else UNITS if field.text == "size" else {"": 1.0}
        if found is None or found[2] not in scale:
            example = "0.9 or 90%" if share else "1000, 1kB or 2MB" if field.text == "size" else "3"
            self._fail(value.at, f"{field.text} is a number, for instance {example}")
        if share and float(found[1]) * scale[found[2]] > 1:
            self._fail(value.at, f"{field.text} is 1 at most: {found[1]}% is {float(found[1]) / 100:g}")
        wanted, order, read = float(found[1]) * scale[found[2]], ORDERS[sign.text], _reader(field.text)

        def test(record: Record) -> bool:
            figure = read(record)
            return sign.text == "!=" if figure is None else bool(order(figure, wanted))

        return test

    def _words(self, field: Token, value: Token) -> Test:
        wanted, name = value.text, field.text
        if name in DIGESTS or name == "txs":
            if not DIGEST.fullmatch(wanted):
                self._fail(value.at, f"{name} is a digest, of which hexadecimal digits are given, for instance 3f9a01")
            wanted = wanted.lower() + "*"
        pattern = re.compile(translate(wanted))
        words = self._known.get(name, ())
        if words and not any(map(pattern.match, words)):
            self._fail(value.at, f"no {name} is called so; {nearest(value.text, words)}")
        if name in LISTS:
            return lambda record: any(pattern.match(word) for word in getattr(record, name))
        return lambda record: pattern.match(getattr(record, name)) is not None

    def _flag(self, value: Token) -> Test:
        if value.text.lower() not in YES:
            self._fail(value.at, "dropped is yes or no")
        wanted = YES[value.text.lower()]
        return lambda record: record.dropped is wanted


def _reader(field: str) -> Callable[[Record], float | None]:
    if field in SHARES:
        return lambda record: None if not record.tested else (record.correct or 0) / record.tested
    return lambda record: getattr(record, field)
