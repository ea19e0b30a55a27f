"""CSV lines: texts are read back unchanged, and no text is a spreadsheet formula."""

import csv
import io

import orjson
import pytest

from gateway.csv_text import cell, head, lines

TEXTS = ["a,b", 'say "no"', "two\r\nlines", "two\nlines", " spaces ", "Größe €", "", "'", '"']


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_is_read_back_as_it_was(text: str) -> None:
    written = head(["first", "second"]) + lines(
        ["first", "second"], [{"first": text, "second": "x"}]
    )

    assert read(written) == [["first", "second"], [text, "x"]]


def test_lines_end_as_the_standard_says() -> None:
    assert lines(["a", "b"], [{"a": "x", "b": 'y"'}, {"a": "1", "b": "2"}]) == b'x,"y"""\r\n1,2\r\n'


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        '=HYPERLINK("http://evil","x")',
        "+49 30 1234",
        "-1+1",
        "-",
        "--1",
        "-5.",
        "- 5",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "-٣",
    ],
)
def test_formula_of_a_spreadsheet_is_written_as_text(text: str) -> None:
    assert cell(text) == "'" + text


@pytest.mark.parametrize("text", ["-5.00", "-0.0000001", "80.00", "a=b", "2026-02-18", "ord_-"])
def test_amounts_and_other_texts_are_unchanged(text: str) -> None:
    assert cell(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (7, "7"),
        ([], "[]"),
        ({"a": ["=1"]}, '{"a":["=1"]}'),
        (orjson.Fragment('{"cart": 1041.0}'), '{"cart": 1041.0}'),
    ],
)
def test_other_values_are_json(value: object, text: str) -> None:
    assert cell(value) == text
