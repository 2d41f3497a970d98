"""Columns that tell who somebody is."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flyball.data.look.report import Finding
from flyball.data.table import Table
from flyball_runtime.schema import Field

__all__ = ["personal_columns"]

# Headers in English, German, French, Spanish, Italian, Portuguese and Dutch, without accents and in snake case.
_NAMES = {
    "a person's name": r"(first|last|given|middle|family|full|sur|maiden|contact|customer|patient|employee|person)_?name"
    r"|surname|(vor|nach|familien|kunden|patienten|mitarbeiter)_?name|prenom|nom_(de_famille|complet)|apellidos?|"
    r"nombre_(completo|y_apellidos)|cognome|sobrenome|nome_(completo|e_cognome)|(voor|achter)naam",
    "an e-mail address": r"e_?mail(_?(address|adresse))?|courriel|correo(_electronico)?",
    "a phone number": r"(tele)?phone(_?(no|number))?|mobile(_?(no|number|phone))|fax|(telefon|handy|mobil)_?(nummer|nr)|"
    r"telefon|telefono|telefone|telefoon(nummer)?|(numero_de_)?telephone",
    "an address": r"address(_?line)?_?\d?|street|post(al)?_?code|zip(_?code)?|anschrift|adresse|strasse|plz|postleitzahl|"
    r"code_postal|direccion|codigo_postal|indirizzo|endereco|adres",
    "a date of birth": r"birth_?(date|day)|date_?of_?birth|dob|geburts_?(datum|tag)|date_de_naissance|fecha_de_nacimiento|"
    r"data_di_nascita|data_de_nascimento|geboortedatum",
    "an official number": r"(ssn|social_?security|passport)(_?(no|number))?|tax_?id|iban|national_?id|licen[cs]e_?plate|"
    r"(steuer|ausweis|personalausweis|sozialversicherungs)_?(nummer|nr|id)|kennzeichen|dni|nif|codice_fiscale|cpf|bsn",
    "a network address": r"ip_?(addr(ess)?)?|mac_?address",
    "a payment card": r"(credit_?)?card_?(no|number)",
}
_BY_NAME = [(meaning, re.compile(rf"(.*_)?({pattern})", re.IGNORECASE)) for meaning, pattern in _NAMES.items()]
_BY_VALUE = [
    ("e-mail addresses", re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")),
    ("phone numbers", re.compile(r"(\+\d{1,3}[ .-]?)?(\(\d{1,5}\)|\d{2,5})[ .-]\d{2,5}([ .-]\d{2,6})+|\+\d[\d ()./-]{6,17}\d")),
    ("network addresses", re.compile(r"(\d{1,3}\.){3}\d{1,3}")),
    ("bank account numbers", re.compile(r"[A-Z]{2}\d{2}([ ]?[A-Z0-9]{4}){3,7}([ ]?[A-Z0-9]{1,3})?")),
    ("social security numbers", re.compile(r"\d{3}-\d{2}-\d{4}|[A-CEGHJ-PR-TW-Z]{2} ?(\d{2} ?){3}[A-D]")),
    ("addresses", re.compile(
        r"\d{1,5}[a-z]?,? [\w .'-]{2,40}\b(street|st|avenue|ave|road|rd|lane|ln|drive|dr|boulevard|blvd|court|ct|way|place|"
        r"square|terrace)\.?(,.*)?|[\w .'-]{2,40}(stra(ss|ß)e|str\.|weg|platz|allee|gasse) ?\d{1,4} ?[a-z]?(,.*)?|"
        r"\d{1,4},? (rue|avenue|boulevard|place|chemin) .{2,40}|(calle|via|avenida) .{2,40} \d{1,4}", re.IGNORECASE)),
]  # fmt: skip
_SAMPLE = 500
_DATE_LIKE = re.compile(r"\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})")
_JUST_NAME = frozenset({"name", "names", "nom", "nome", "nombre", "naam"})
_CAPITALISED = re.compile(r"[^\W\d_a-z][^\W\d_]*[.]?(?:[ '’-][^\W\d_][^\W\d_]*[.]?){1,3}")
_FULL_NAME = re.compile(r"[^\W\d_][\w'’.-]*,?( [^\W\d_][\w'’.-]*){1,3}")
_TITLES = frozenset({"mr", "mrs", "ms", "dr", "prof", "herr", "frau"})
# Given names that are common in several countries: enough of them betray a column of names, none of them matters alone.
_GIVEN_NAMES = """
adam ahmed alan albert alejandro alexander ali alice amanda amy ana andrea andreas andrew angela anita ann anna anne
anthony antonio arthur barbara ben benjamin brian carla carlos carmen carol caroline catherine charles charlotte chen
chris christian christina christine claire claudia daniel david deborah diana diego dmitri donald dorothy edward elena
elizabeth emily emma eric eva fatima felix fernando francesco frank gabriel george giovanni giulia grace hannah hans
helen henry ibrahim irina isabella ivan jack jacob james jan jane jason jean jeffrey jennifer jessica joan joao john
jonathan jorge jose joseph juan julia julie karen karl katherine kevin klaus kumar laura lee leo li linda lisa louis
louise lucas lucia luis luca maria marie mario mark marta martin mary matthew mei michael miguel mohamed mohammed
monica nancy natalia nicholas nicole nina oliver olivia omar pablo patricia patrick paul paula pedro peter petra pierre
priya rachel rebecca richard robert roberto rosa ruth ryan samuel sandra sara sarah scott sergei sofia sophie stefan
stephen steven susan teresa thomas timothy tom ursula victor victoria wang wei william xavier yan yuki yusuf zhang
"""
_GIVEN = frozenset(_GIVEN_NAMES.split())


def personal_columns(table: Table, target: str) -> list[Finding]:
    """A finding for each column whose name or values point at persons. A code of few levels never does."""
    findings = []
    for field in table.schema:
        if field.name == target:
            continue
        found = _by_name(field, table[field.name]) or _by_value(field, table[field.name])
        if found:
            meaning, why = found
            findings.append(
                Finding("personal data", field.name, f"looks like {meaning}: kept out of logs and reports", why, "mark")
            )
    return findings


def _of_names(present: list[str]) -> tuple[float, float]:
    """Shares of texts that read as a person's name: two to four words, one of them a common given name; that name alone."""
    full = alone = 0
    for text in present:
        words = [word.strip(".,").lower() for word in text.split()]
        names = [word for word in words if word not in _TITLES]
        known = any(name in _GIVEN for name in names)
        full += known and len(words) >= 2 and bool(_FULL_NAME.fullmatch(text.strip()))
        alone += known and len(words) == 1
    return full / len(present), alone / len(present)


def _snake(name: str) -> str:
    """A header in snake case, its accents taken off."""
    parted = re.sub(r"[\s./-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace("ß", "ss"))).strip("_")
    return "".join(sign for sign in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(sign))


def _by_name(field: Field, values: NDArray[Any]) -> tuple[str, str] | None:
    snake = _snake(field.name)
    for meaning, pattern in _BY_NAME:
        if pattern.fullmatch(snake):
            distinct = _distinct(values)
            few = 5 if field.kind == "text" else max(5, min(50, len(values) // 10))
            if distinct >= few and field.logical != "float":
                return meaning, f"its name, and {distinct:,} different values"
    return None


def _by_value(field: Field, values: NDArray[Any]) -> tuple[str, str] | None:
    if field.kind != "text":
        return None
    present = [cell for cell in values[: 20 * _SAMPLE] if cell is not None][:_SAMPLE]
    levels = len(set(present))
    if len(present) < 5 or levels < 5:
        return None
    for meaning, pattern in _BY_VALUE:
        share = float(np.mean([bool(pattern.fullmatch(c.strip())) and not _DATE_LIKE.fullmatch(c) for c in present]))
        if share >= 0.5:
            return meaning, f"{share:.0%} of its values have that form"
    return _by_given_names(field.name, present) if levels >= 10 else None


def _by_given_names(name: str, present: list[str]) -> tuple[str, str] | None:
    full, alone = _of_names(present)
    if full >= 0.3 or alone >= 0.5:
        return "persons' names", f"{max(full, alone):.0%} of its values hold a common given name"
    if _snake(name).lower() in _JUST_NAME:  # of what, only the values can say
        share = float(np.mean([bool(_CAPITALISED.fullmatch(cell.strip())) for cell in present]))
        if share >= 0.8:
            return "persons' names", f"its name, and {share:.0%} of its values are two to four capitalised words"
    return None


def _distinct(values: NDArray[Any]) -> int:
    return (
        len(np.unique(values))
        if values.dtype != object
        else len({cell for cell in values.tolist() if cell is not None})
    )
