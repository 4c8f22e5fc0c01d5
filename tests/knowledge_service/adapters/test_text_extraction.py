"""Text of files: what is in them, and what each bad file is listed with."""

import io
import os
import time
import zipfile
from collections.abc import Callable

import docx
import pypdf
import pytest
from knowledge_service.adapters.text_extraction.extractor import FileTextExtractor
from knowledge_service.domain.text_extraction import FileProblem, Unreadable
from pypdf.generic import DictionaryObject, NameObject, StreamObject


@pytest.fixture(name="extract")
def _extract() -> FileTextExtractor:
    return FileTextExtractor()


def pdf(*pages: str, user_password: str | None = None) -> bytes:
    """Returns a PDF with a line of text on each page."""
    writer = pypdf.PdfWriter()
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    for text in pages:
        page = writer.add_blank_page(300, 300)
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        content = StreamObject()
        content.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = content
    if user_password is not None:
        writer.encrypt(user_password=user_password, owner_password="owner", algorithm="RC4-128")
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def word() -> bytes:
    """Returns a DOCX with headings, text and a table."""
    document = docx.Document()
    document.add_heading("Warfarin", 1)
    document.add_paragraph("Grapefruit raises its level.")
    document.add_heading("Dose", 2)
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "adults", "5 mg"
    output = io.BytesIO()
    document.save(output)
    return output.getvalue()


def bomb(size: int, name: str = "word/document.xml") -> bytes:
    """Returns a DOCX whose file unpacks to this size."""
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, b"\0" * size)
    return output.getvalue()


def laughing() -> bytes:
    """Returns a DOCX whose XML expands entities exponentially."""
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    xml = f'<?xml version="1.0"?><!DOCTYPE d [<!ENTITY l0 "lol">{levels}]><d>&l9;</d>'
    output = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as good, zipfile.ZipFile(output, "w") as packed:
        for entry in good.infolist():
            is_text = entry.filename == "word/document.xml"
            packed.writestr(entry.filename, xml if is_text else good.read(entry))
    return output.getvalue()


async def test_every_kind(extract: FileTextExtractor) -> None:
    """Text, Markdown, PDF and DOCX, whatever the case of the name."""
    assert await extract("a.txt", "é\r\n".encode("utf-8-sig")) == "é\r\n"
    assert await extract("a.MD", "# é".encode("utf-16")) == "# é"
    assert await extract("a.Pdf", pdf("One page.", "", "Another page.")) == "One page.\n\nAnother page."
    assert (
        await extract("a.docx", word())
        == "# Warfarin\n\nGrapefruit raises its level.\n\n## Dose\n\nadults | 5 mg"
    )
    assert await extract("a.pdf", pdf("Readable.", user_password="")) == "Readable."


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.exe", lambda: b"MZ", FileProblem.UNSUPPORTED_TYPE),
        ("pdf", lambda: b"no", FileProblem.BROKEN),
        ("a.txt", lambda: b"\xff\xff\xff", FileProblem.BROKEN),
        ("a.txt", lambda: b" \n\0", FileProblem.NO_TEXT),
        ("a.txt", lambda: b"x" * (1024 * 1024 + 1), FileProblem.TOO_LARGE),
        ("a.pdf", lambda: b"no PDF", FileProblem.BROKEN),
        ("a.pdf", lambda: b"%PDF-1.7 " + os.urandom(10_000), FileProblem.BROKEN),
        ("a.pdf", lambda: pdf("x" * 5000)[:2000], FileProblem.BROKEN),
        ("a.pdf", lambda: pdf("", ""), FileProblem.NO_TEXT),
        ("a.pdf", lambda: pdf("Secret.", user_password="secret"), FileProblem.ENCRYPTED),
        ("a.pdf", lambda: pdf(*[""] * 2001), FileProblem.TOO_MANY_PAGES),
        ("a.pdf", lambda: pdf(*["x" * 60_000] * 20), FileProblem.TOO_LARGE),
        ("a.docx", lambda: b"PK no zip", FileProblem.BROKEN),
        ("a.docx", lambda: bomb(1), FileProblem.BROKEN),
        ("a.docx", lambda: bomb(65 * 1024 * 1024), FileProblem.TOO_LARGE),
        ("a.docx", laughing, None),
    ],
    ids=lambda value: value.value if isinstance(value, FileProblem) else "",
)
async def test_bad_files(
    extract: FileTextExtractor, name: str, content: Callable[[], bytes], problem: FileProblem | None
) -> None:
    """Each has a reason."""
    with pytest.raises(Unreadable) as refused:
        await extract(name, content())

    assert problem is None or refused.value.problem is problem


@pytest.mark.nightly
async def test_ten_thousand_pages(extract: FileTextExtractor) -> None:
    """Are refused by their number, in seconds."""
    content = pdf(*["A page."] * 10_000)
    begin = time.monotonic()

    with pytest.raises(Unreadable) as refused:
        await extract("a.pdf", content)

    assert refused.value.problem is FileProblem.TOO_MANY_PAGES
    assert time.monotonic() - begin < 40


async def test_a_file_that_takes_too_long() -> None:
    """Its process is killed."""
    with pytest.raises(Unreadable) as refused:
        await FileTextExtractor(seconds_max=0.05)("a.pdf", pdf(*["x"] * 500))

    assert refused.value.problem is FileProblem.TOO_DEMANDING
