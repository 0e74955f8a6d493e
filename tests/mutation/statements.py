"""Small wrongs in SQL, one at a time: what a mutator of Python never sees, because it takes a statement for a string.

A rule is a pattern and what stands there instead. Taking a condition away is the one change that needs to know where it ends.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.database import Query


@dataclass(frozen=True)
class Mutant:
    """A statement with one change. ``name`` says which, and is the same from run to run while the statement is."""

    query: str
    name: str
    text: str


@dataclass(frozen=True)
class Rule:
    """Every place that matches ``pattern`` becomes ``instead``, each in a mutant of its own."""

    pattern: str
    instead: str


RULES = (
    # Locks: taken away, waiting where it should skip, skipping where it should wait, weaker than it was.
    Rule(r"FOR (?:NO KEY )?UPDATE(?: SKIP LOCKED)?", ""),
    Rule(r" SKIP LOCKED", ""),
    Rule(r"FOR (?:NO KEY )?UPDATE(?! SKIP)", r"\g<0> SKIP LOCKED"),
    Rule(r"FOR (?:NO KEY )?UPDATE", "FOR SHARE"),
    # Order and amount.
    Rule(r"ORDER BY [\w.]+(?:, [\w.]+)*", ""),
    Rule(r"ORDER BY [\w.]+(?! DESC)", r"\g<0> DESC"),
    Rule(r"ORDER BY ([\w.]+) DESC", r"ORDER BY \1"),
    Rule(r"LIMIT %\(limit\)s", ""),
    Rule(r"DISTINCT ", ""),
    Rule(r"RETURNING (?:[\w.*]+)(?:, [\w.]+)*(?: AS \w+)?", ""),
    # Comparisons, turned round and moved by one. `SET a = b` is none: PostgreSQL refuses what becomes of it.
    Rule(r" <= ", " > "),
    Rule(r" <= ", " < "),
    Rule(r" >= ", " < "),
    Rule(r" >= ", " > "),
    Rule(r" < ", " >= "),
    Rule(r" < ", " <= "),
    Rule(r" > ", " <= "),
    Rule(r" > ", " >= "),
    Rule(r" <> ", " = "),
    Rule(r" = ANY", " <> ALL"),
    Rule(r" = (?!ANY)", " <> "),
    Rule(r"IS NOT NULL", "IS NULL"),
    Rule(r"IS NULL", "IS NOT NULL"),
    Rule(r"NOT EXISTS", "EXISTS"),
    Rule(r"NOT IN", "IN"),
    # Signs, turned round and taken away with what they stand before.
    Rule(r" \+ ", " - "),
    Rule(r" - ", " + "),
    Rule(r" [+-] [\w.]+(?![\w.(])", ""),
    # Values.
    Rule(r"\bgreatest\(", "least("),
    Rule(r"\bmin\(", "max("),
    Rule(r"\bmax\(", "min("),
    Rule(r"\bsum\(", "max("),
    Rule(r"\btrue\b", "false"),
    # The time at which the transaction began, instead of the time at which the statement did.
    Rule(r"\bbusiness_now\(\)", "(business_now() - (statement_timestamp() - now()))"),
)

_CONDITION = re.compile(r"\b(?:WHERE|AND|ON)\b(?! CONFLICT)")
_CONDITION_ENDS = re.compile(r"\b(?:AND|OR|ORDER|GROUP|LIMIT|FOR|RETURNING|UNION|WHERE|JOIN)\b|[()]")


def mutants_of(query: Query) -> Iterator[Mutant]:
    """Every mutant of a statement, no two of them alike."""
    seen = {query.text}
    for start, end, instead in _changes(query.text):
        text = query.text[:start] + instead + query.text[end:]
        if text not in seen:
            seen.add(text)
            yield Mutant(query.name, _name_of(query, start, end, instead), text)


def _changes(text: str) -> Iterator[tuple[int, int, str]]:
    for rule in RULES:
        for found in re.finditer(rule.pattern, text):
            yield found.start(), found.end(), found.expand(rule.instead)
    for keyword in _CONDITION.finditer(text):
        yield keyword.end(), _end_of_condition(text, keyword.end()), " true"


def _end_of_condition(text: str, start: int) -> int:
    """Where the condition that begins at ``start`` ends: at the next word of its own level that begins something else."""
    depth = 0
    for found in _CONDITION_ENDS.finditer(text, start):
        match found[0]:
            case "(":
                depth += 1
            case ")":
                if depth == 0:
                    return found.start()
                depth -= 1
            case _ if depth == 0:
                return len(text[: found.start()].rstrip())
    return len(text)


def _name_of(query: Query, start: int, end: int, instead: str) -> str:
    """As in ``lock_holds, line 1: FOR UPDATE becomes nothing``; a second such place in the line is numbered."""
    line_start = query.text.rfind("\n", 0, start) + 1
    line = query.text.count("\n", 0, start) + 1
    old = " ".join(query.text[start:end].split())
    before = query.text[line_start:start].count(query.text[start:end])
    number = f" ({before + 1})" if before else ""
    return f"{query.name}, line {line}: {old}{number} becomes {instead.strip() or 'nothing'}"
